"""Language models behind one protocol (`palr.llm.base.LLM`).

To add a backend, add one entry to `BACKENDS`. Its record says how the model is loaded and what else
the application can ask of it; nobody asks for a backend by its name. Whether a model is a
`TokenLLM` or a `LabelLLM` is asked of the model itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from palr.errors import SettingsError
from palr.llm import check
from palr.llm.adapters import Adapter
from palr.llm.base import LLM
from palr.settings import PREFIX, Settings

_RUNS_OF_A_SERVER = 4  # it batches what comes together


class Pool(Protocol):
    """One base model that can switch between adapters; see `palr.llm.adapter_pool`."""

    def llm(self, adapter: Adapter | None) -> LLM:
        """The model with this adapter, None for the base model alone; raises LLMError."""
        ...


@dataclass(frozen=True)
class Backend:
    """A way to run the language model.

    Attributes:
        label: What it is, for people.
        load: Loads the model of the settings with their adapter, or raises LLMError.
        check: Says, without loading it, what the model is and how to mend what is missing.
        pool: Loads the model so that each run can choose an adapter; None where it cannot.
        runs_at_once: Runs that can use the model at the same time.
        loads_weights: Whether the weights of ``PALR_LLM`` are loaded into this process.
    """

    label: str
    load: Callable[[Settings], LLM]
    check: Callable[[Settings], check.Found]
    pool: Callable[[Settings], Pool] | None = None
    runs_at_once: int = 1
    loads_weights: bool = False


def _transformers(settings: Settings) -> LLM:
    from palr.llm.adapter_pool import load_adapted

    return load_adapted(settings)


def _transformers_pool(settings: Settings) -> Pool:
    from palr.llm.adapter_pool import AdapterPool

    return AdapterPool.load(settings)


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


BACKENDS: dict[str, Backend] = {
    "transformers": Backend(
        "a model in this process",
        _transformers,
        check.weights,
        pool=_transformers_pool,
        loads_weights=True,
    ),
    "http": Backend(
        "a server that speaks OpenAI's chat completions",
        _http,
        check.server,
        runs_at_once=_RUNS_OF_A_SERVER,
    ),
    "scripted": Backend("a script, for tests", _scripted, check.script),
}


def get_backend(name: str) -> Backend:
    """Look a backend up.

    Raises:
        SettingsError: there is none of this name; the message lists the known ones.
    """
    if name not in BACKENDS:
        raise SettingsError(
            f"{PREFIX}LLM_BACKEND: unknown backend {name!r}; choose one of: {', '.join(BACKENDS)}"
        )
    return BACKENDS[name]


def load_llm(settings: Settings) -> LLM:
    """Load the model of the settings.

    Raises:
        SettingsError: there is no such backend.
        LLMError: the model cannot be loaded; the message says what to do.
    """
    return get_backend(settings.llm_backend).load(settings)
