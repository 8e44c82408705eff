"""What lies in the folder of a PEFT adapter, read and checked before anything is loaded with it."""

import json
import re
import warnings
from dataclasses import fields
from pathlib import Path
from typing import Any

from palr.errors import LLMError, fault
from palr.llm.adapters import WEIGHTS

SETTINGS = "adapter_config.json"
_TRAIN = "train a LoRA adapter instead (python -m finetune train)"
_AGAIN = "copy it again, train the adapter again, or take another"
_CONVERT = (
    "convert it into a plain LoRA adapter with PEFT's "
    "save_pretrained(FOLDER, path_initial_model_for_weight_conversion=FOLDER_BEFORE_TRAINING)"
)
# Kinds that mix what they see along a prompt, in a way that no cache of keys and values keeps.
_WHOLE = {
    "LILY": "averages over the whole prompt",
    "POLY": "asks for the number of a task with every prompt",
    "SHADOW": "runs a second model beside this one",
    "XLORA": "reads every prompt twice",
}
# Starts of LoRA that take a part out of the base, which cannot be found again without what was at
# hand then: data, gradients, or chance.
_UNREPEATABLE = re.compile(r"corda|lora_ga|pissa_niter_\d+")


def read_settings(folder: Path) -> tuple[Any, tuple[str, ...]]:
    """PEFT's settings of an adapter that can be served.

    Returns:
        The settings, and notes on what they say that PEFT does not know.

    Raises:
        LLMError: they are missing or damaged, or prompts cannot be read with such an adapter.
    """
    from peft import PeftConfig, __version__
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    path = folder / SETTINGS
    try:
        given = json.loads(path.read_bytes())
        kind = given["peft_type"]
        if kind not in PEFT_TYPE_TO_CONFIG_MAPPING:
            raise LLMError(
                f"PEFT {__version__} knows no adapters of the kind {kind!r}: pip install -U peft, "
                f"or {_TRAIN}"
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of unknown settings, which the note names
            settings = PeftConfig.from_pretrained(str(folder))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise LLMError(f"{path} is missing or damaged ({fault(error)}): {_AGAIN}") from error
    _refuse_what_cannot_be_served(settings)
    known = {field.name for field in fields(settings)}
    unknown = sorted(name for name, value in given.items() if value and name not in known)
    note = (
        f"{SETTINGS} sets {', '.join(unknown)}, which PEFT {__version__} does not know and leaves "
        "out: pip install -U peft"
    )
    return settings, (note,) * bool(unknown)


def _refuse_what_cannot_be_served(settings: Any) -> None:
    kind = settings.peft_type.value
    why = _WHOLE.get(kind, "")
    if settings.is_prompt_learning:
        why = "puts tokens of its own before every prompt"
    partly = ("alora_invocation_tokens", "arrow_config")
    if any(getattr(settings, name, None) for name in partly):
        why = "is on for a part of the prompt only"
    if why:
        raise LLMError(
            f"an adapter of the kind {kind} {why}, and prompts are read piece by piece: {_TRAIN}"
        )
    start = str(getattr(settings, "init_lora_weights", "")).lower()
    if _UNREPEATABLE.fullmatch(start):
        raise LLMError(
            f"init_lora_weights={start!r} took a part out of the base model, which cannot be found "
            f"again here: {_CONVERT}"
        )


def read_weights(folder: Path) -> dict[str, Any]:
    """The weights of an adapter, tensors by name.

    Raises:
        LLMError: they are missing or damaged, or hold values that are no numbers.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / WEIGHTS
    if not path.is_file():  # PEFT would also unpickle weights
        raise LLMError(f"{folder} holds no {WEIGHTS}: {_AGAIN}")
    try:
        weights: dict[str, Any] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise LLMError(f"{path} is damaged ({fault(error)}): {_AGAIN}") from error
    bad = [name for name, value in weights.items() if not value.isfinite().all()]
    if bad:
        raise LLMError(
            f"{len(bad)} of its {len(weights)} weights hold values that are no numbers (such as "
            f"{bad[0]}): train it again with a lower learning_rate"
        )
    return weights
