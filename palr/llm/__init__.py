"""Language models behind one protocol. A backend is added by one entry in `BACKENDS`."""

from collections.abc import Callable

from palr.llm.base import LLM
from palr.settings import Settings


def _transformers(settings: Settings) -> LLM:
    from palr.llm.adapter_pool import load_adapted

    return load_adapted(settings)


def _http(settings: Settings) -> LLM:
    from palr.llm.http import HTTPLLM
    from palr.llm.resilience import Patience

    total = settings.llm_seconds
    patience = Patience(silence=min(Patience.silence, total), total=total)
    return HTTPLLM(
        settings.llm_url,
        settings.llm,
        settings.llm_api_key.get_secret_value(),
        settings.adapter or None,
        patience=patience,
    )


def _scripted(settings: Settings) -> LLM:
    from palr.llm.scripted import ScriptedLLM

    return ScriptedLLM()


BACKENDS: dict[str, Callable[[Settings], LLM]] = {
    "transformers": _transformers,
    "http": _http,
    "scripted": _scripted,
}


def load_llm(settings: Settings) -> LLM:
    """Load the configured model; raises LLMError with the remedy in its text."""
    return BACKENDS[settings.llm_backend](settings)
