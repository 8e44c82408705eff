"""One base model with any of the adapters made for it.

All share the base model's weights: what is asked of one only switches which low-rank matrices run.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from palr.errors import LLMError
from palr.llm.adapters import WEIGHTS, Adapter, configured
from palr.llm.transformers import TransformersLLM
from palr.settings import Settings

_UNKNOWN = ""  # the name of no adapter


class AdapterPool:
    """One loaded base model, and views of it with an adapter or without. Safe to use from threads.

    ``base`` must have been loaded without an adapter.
    """

    def __init__(self, base: TransformersLLM) -> None:
        self._base = base
        self._plain, self._peft = base.model, None
        self._lock = threading.RLock()
        self._views: dict[str | None, TransformersLLM] = {}
        self._active: str | None = None

    @classmethod
    def load(cls, settings: Settings) -> "AdapterPool":
        """Load the base model of the settings; errors as `TransformersLLM.load`."""
        return cls(TransformersLLM.load(settings))

    def llm(self, adapter: Adapter | None) -> TransformersLLM:
        """The model with this adapter, or zero-shot; the adapter is loaded on first use.

        Raises:
            LLMError: the adapter does not fit the model, or changes nothing.
        """
        key = adapter.name if adapter else None
        with self._lock:
            if key not in self._views:
                if adapter is not None:
                    self._load(adapter)
                view = _View(self, key, self._plain)
                self._views[key] = TransformersLLM(
                    view,
                    self._base.tokenizer,
                    self._base.name,
                    adapter,
                    self._base.prefixes.with_adapter(key or ""),
                )
            return self._views[key]

    @contextmanager
    def with_adapter(self, key: str | None) -> Iterator[Any]:
        """The model with the adapter on; others wait until it is given back."""
        with self._lock:
            self._activate(key)
            yield self._peft or self._plain

    def _load(self, adapter: Adapter) -> None:
        import torch
        from peft import PeftModel, load_peft_weights
        from safetensors import SafetensorError

        assert adapter.folder is not None, "a pool loads adapters from folders"
        folder = str(adapter.folder)
        try:
            if not (adapter.folder / WEIGHTS).is_file():  # PEFT would also unpickle weights
                raise OSError(f"it holds no {WEIGHTS}")
            load_peft_weights(folder, device="cpu")  # before anything is done to the model
            if self._peft is None:
                self._peft = PeftModel.from_pretrained(self._plain, folder, adapter.name).eval()
            else:
                self._peft.load_adapter(folder, adapter.name)
                self._peft.eval()
        except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise LLMError(
                f"the adapter {adapter.name} does not load over {self._base.name}: {reason}. "
                f"Train {folder} again or remove it; PALR_ADAPTER must name a folder or hub id "
                "of an adapter for this PALR_LLM"
            ) from error
        self._active = _UNKNOWN
        probe = torch.arange(5, 13, device=self._plain.device)[None]
        with torch.inference_mode():
            with self.with_adapter(adapter.name) as model:
                changed = model(probe).logits
            with self.with_adapter(None) as model:
                plain = model(probe).logits
        if torch.equal(changed, plain):
            raise LLMError(
                f"the adapter {adapter.name} leaves {self._base.name} unchanged: it is empty, "
                f"untrained, or made for another model. Remove {folder}"
            )

    def _activate(self, key: str | None) -> None:
        if self._peft is None or self._active == key:
            return
        if key is None:
            self._peft.base_model.disable_adapter_layers()
        else:
            self._peft.base_model.enable_adapter_layers()
            self._peft.set_adapter(key, inference_mode=True)
        self._active = key


def load_adapted(settings: Settings) -> TransformersLLM:
    """The model of the settings with the adapter of ``settings.adapter`` on, where one is named.

    Raises:
        LLMError: as `TransformersLLM.load`; or the adapter does not fit the model.
    """
    base = TransformersLLM.load(settings)
    adapter = configured(settings)
    return AdapterPool(base).llm(adapter) if adapter else base


class _View:
    """What a decoder needs of a model, with one adapter on."""

    def __init__(self, pool: AdapterPool, key: str | None, model: Any) -> None:
        self._pool, self._key, self._model = pool, key, model

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        with self._pool.with_adapter(self._key) as model:
            return model(*arguments, **options)

    def generate(self, *arguments: Any, **options: Any) -> Any:
        """transformers' own loop, which the bench compares with; others wait for all of it."""
        with self._pool.with_adapter(self._key) as model:
            return model.generate(*arguments, **options)

    def num_parameters(self) -> int:
        return int(self._model.num_parameters())

    @property
    def config(self) -> Any:
        return self._model.config

    @property
    def device(self) -> Any:
        return self._model.device

    @property
    def dtype(self) -> Any:
        return self._model.dtype
