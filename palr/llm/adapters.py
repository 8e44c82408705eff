"""Adapters: PEFT weights over a model, and the note of what they were trained for.

A folder with an adapter may hold ``palr.json`` beside ``adapter_config.json``:

    {"modes": ["labels"]}

names the ranking modes it was trained for, the best first.
"""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from palr.errors import LLMError

NOTE = "palr.json"


def trained_modes(adapter: str) -> tuple[str, ...]:
    """Modes that the adapter (folder or hub id) names; empty where it has no note.

    Raises:
        LLMError: the note does not say what it should.
    """
    path = _note(adapter)
    if path is None:
        return ()
    try:
        modes = json.loads(path.read_text())["modes"]
        if not (isinstance(modes, list) and all(isinstance(mode, str) for mode in modes)):
            raise TypeError("modes is no list of names")
    except (ValueError, KeyError, TypeError) as error:
        raise LLMError(
            f'{NOTE} of the adapter {adapter} is damaged ({error}): write {{"modes": ["titles"]}} '
            "with the ranking modes it was trained for, or remove the file"
        ) from error
    return tuple(modes)


def with_adapter(model: Any, adapter: str, base: str) -> Any:
    """Lay a PEFT adapter over the model and prove that it changes the logits."""
    import torch
    from peft import PeftModel

    try:
        adapted = PeftModel.from_pretrained(model, _folder(adapter)).eval()
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise LLMError(
            f"the adapter {adapter} does not load over {base}: {reason}. Check that "
            "PALR_ADAPTER is a PEFT folder or hub id that was trained on this PALR_LLM"
        ) from error
    with torch.inference_mode():
        probe = torch.arange(5, 13, device=adapted.device)[None]
        changed = adapted(probe).logits
        with adapted.disable_adapter():
            plain = adapted(probe).logits
    if torch.equal(changed, plain):
        raise LLMError(
            f"the adapter {adapter} leaves {base} unchanged: it is empty, untrained, or made for "
            "another model. Unset PALR_ADAPTER to run zero-shot"
        )
    return adapted


def _folder(adapter: str) -> str:
    """Where the adapter lies, fetched if need be; PEFT itself would also unpickle weights."""
    from huggingface_hub import snapshot_download

    folder = Path(adapter)
    if not folder.is_dir():
        folder = Path(snapshot_download(adapter, allow_patterns=["*.json", "*.safetensors"]))
    if not (folder / "adapter_model.safetensors").is_file():
        raise OSError("it holds no adapter_model.safetensors")
    return str(folder)


def _note(adapter: str) -> Path | None:
    if Path(adapter).is_dir():
        path = Path(adapter) / NOTE
        return path if path.is_file() else None
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(adapter, NOTE))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError):
        return None  # the note is optional; whether the adapter itself is there, its loading tells
