"""One base model with any of the adapters made for it; all share the base model's weights."""

import threading
from dataclasses import replace
from pathlib import Path

from palr.errors import LLMError
from palr.llm.adapters import Adapter, configured
from palr.llm.transformers import TransformersLLM
from palr.model_lock import LOADING
from palr.settings import Settings


class AdapterPool:
    """One loaded base model, and the same with adapters. Safe to use from threads.

    ``base`` must have been loaded without an adapter.
    """

    def __init__(self, base: TransformersLLM) -> None:
        self._base = base
        self._lock = threading.Lock()
        self._adapted: dict[Path, TransformersLLM] = {}

    @classmethod
    def load(cls, settings: Settings) -> "AdapterPool":
        """Load the base model of the settings; errors as `TransformersLLM.load`."""
        return cls(TransformersLLM.load(settings))

    def llm(self, adapter: Adapter | None) -> TransformersLLM:
        """The model with this adapter, or zero-shot; the adapter is loaded on first use.

        Raises:
            LLMError: the adapter does not fit the model, cannot be served, or changes nothing.
        """
        if adapter is None:
            return self._base
        assert adapter.folder is not None, "a pool loads adapters from folders"
        place = adapter.folder.resolve()  # names can be alike
        with self._lock:
            if place not in self._adapted:
                self._adapted[place] = self._load(adapter, place)
            return self._adapted[place]

    def _load(self, adapter: Adapter, place: Path) -> TransformersLLM:
        from palr.llm.adapted import adapted

        base = self._base
        try:
            with LOADING:
                model, notes = adapted(base.model, base.name, place)
        except LLMError as error:
            raise LLMError(
                f"the adapter {adapter.name} does not load over {base.name}: {error}. "
                "PALR_LLM names the model, PALR_ADAPTER another adapter"
            ) from error
        adapter = replace(adapter, notes=(*adapter.notes, *notes))
        prefixes = base.prefixes.with_adapter(str(place))
        return TransformersLLM(model, base.tokenizer, base.name, adapter, prefixes)


def load_adapted(settings: Settings) -> TransformersLLM:
    """The model of the settings with the adapter of ``settings.adapter`` on, where one is named.

    Raises:
        LLMError: as `TransformersLLM.load`; or the adapter does not fit the model.
    """
    adapter = configured(settings)
    return AdapterPool.load(settings).llm(adapter)
