"""Adapters at hand, and one base model that wears any of them.

Adapters lie in ``assets/adapters`` and in ``PALR_HOME/adapters``, one folder each, with the files
of PEFT and a ``palr.json``:

    {"modes": ["labels"], "domain": "movies", "base_model": "HuggingFaceTB/SmolLM2-135M-Instruct"}

All share the base model's weights: what is asked of one only switches which low-rank matrices run.
"""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from palr.errors import LLMError
from palr.llm.adapters import NOTE
from palr.llm.transformers import TransformersLLM
from palr.settings import SMOLLM2, Settings

SHIPPED = Path(__file__).parents[2] / "assets" / "adapters"
_UNKNOWN = ""  # no adapter is called so
SMOLLM2_HUB_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"


@dataclass(frozen=True)
class Adapter:
    """An adapter's folder and what its ``palr.json`` says; ``modes`` are the best first."""

    name: str
    folder: Path
    modes: tuple[str, ...]
    domain: str
    base_model: str


_NOTE: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


def adapters(settings: Settings, domain: str, shipped: Path = SHIPPED) -> dict[str, Adapter]:
    """The adapters for this domain that were trained on ``settings.llm``, by name in order.

    One in ``PALR_HOME/adapters`` stands in for a shipped one of its name.

    Raises:
        LLMError: a ``palr.json`` is damaged.
    """
    found: dict[str, Adapter] = {}
    for root in (shipped, settings.home / "adapters"):
        for path in sorted(root.glob(f"*/{NOTE}")):
            adapter = read_adapter(path.parent)
            if adapter.domain == domain and adapter.base_model == base_name(settings):
                found[adapter.name] = adapter
    return dict(sorted(found.items()))


def read_adapter(folder: Path) -> Adapter:
    """Raises LLMError where the folder's ``palr.json`` is missing or damaged."""
    try:
        note = _NOTE.validate_json((folder / NOTE).read_bytes())
        modes = tuple(str(mode) for mode in note["modes"])
        return Adapter(folder.name, folder, modes, str(note["domain"]), str(note["base_model"]))
    except (OSError, ValidationError, KeyError, TypeError) as error:
        raise LLMError(
            f"{folder / NOTE} is missing or damaged ({type(error).__name__}); train the adapter "
            "again, or remove its folder"
        ) from error


def base_name(settings: Settings) -> str:
    """How adapters name the model of the settings."""
    if settings.llm == SMOLLM2:
        return SMOLLM2_HUB_ID
    return Path(settings.llm).name if Path(settings.llm).is_dir() else settings.llm


class Shelf:
    """One loaded base model, and views of it with an adapter or without. Safe to use from threads.

    ``base`` must have been loaded without an adapter.
    """

    def __init__(self, base: TransformersLLM) -> None:
        self._base = base
        self._plain, self._peft = base.model, None
        self._lock = threading.RLock()
        self._views: dict[str | None, TransformersLLM] = {}
        self._worn: str | None = None

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
                modes = adapter.modes if adapter else ()
                llm = TransformersLLM(view, self._base.tokenizer, self._base.name, key, modes)
                self._views[key] = llm
            return self._views[key]

    def run(self, key: str | None, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """One forward pass with the adapter on; others wait."""
        with self._lock:
            self._wear(key)
            return (self._peft or self._plain)(*arguments, **options)

    def _load(self, adapter: Adapter) -> None:
        import torch
        from peft import PeftModel, load_peft_weights
        from safetensors import SafetensorError

        folder = str(adapter.folder)
        try:
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
                f"Remove {folder} or train it again"
            ) from error
        self._worn = _UNKNOWN
        probe = torch.arange(5, 13, device=self._plain.device)[None]
        with torch.inference_mode():
            changed = self.run(adapter.name, (probe,), {}).logits
            plain = self.run(None, (probe,), {}).logits
        if torch.equal(changed, plain):
            raise LLMError(
                f"the adapter {adapter.name} leaves {self._base.name} unchanged: it is empty, "
                f"untrained, or made for another model. Remove {folder}"
            )

    def _wear(self, key: str | None) -> None:
        if self._peft is None or self._worn == key:
            return
        if key is None:
            self._peft.base_model.disable_adapter_layers()
        else:
            self._peft.base_model.enable_adapter_layers()
            self._peft.set_adapter(key, inference_mode=True)
        self._worn = key


class _View:
    """What a decoder needs of a model, with one adapter on."""

    def __init__(self, shelf: Shelf, key: str | None, model: Any) -> None:
        self._shelf, self._key, self._model = shelf, key, model

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._shelf.run(self._key, arguments, options)

    @property
    def config(self) -> Any:
        return self._model.config

    @property
    def device(self) -> Any:
        return self._model.device

    @property
    def dtype(self) -> Any:
        return self._model.dtype
