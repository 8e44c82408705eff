"""LoRA over a base model, and the folder that an adapter is shipped in.

``adapter_config.json`` and ``adapter_model.safetensors`` are PEFT's. ``palr.json`` tells the app
what the adapter is for, ``record.json`` how it came to be, ``loss.svg`` and ``README.md`` (the
model card) are drawn from the record.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from finetune.configs import TAUGHT, Config
from finetune.training.cards import card
from finetune.training.record import CURVE, RECORD, TrainingRecord, loss_curve, sha256
from palr.errors import LLMError, PalrError, fault
from palr.files import write
from palr.llm.adapted import lay_over, misfit
from palr.llm.adapter_files import read_settings, read_weights
from palr.llm.adapters import SMOLLM2_HUB_ID, WEIGHTS, write_note
from palr.ranking import DEFAULT_MODE, get_mode
from palr.settings import SMOLLM2


def with_lora(model: Any, config: Config) -> Any:
    """A PEFT model with LoRA on the top ``config.lora_layers`` layers, or with that of
    ``config.start``.

    The embeddings need no gradient, so autograd keeps nothing of the layers below.

    Raises:
        PalrError: the model lacks the layers of ``config.lora_targets``, or ``config.start`` holds
            no adapter, or one of another base.
    """
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    depth = int(model.config.num_hidden_layers)
    top = None
    if config.lora_layers is not None:
        top = list(range(max(depth - config.lora_layers, 0), depth))
    targets = _targets(model, config)
    if config.dtype == "int4":
        model = prepare_model_for_kbit_training(
            model, use_gradient_checkpointing=config.gradient_checkpointing
        )
    elif config.gradient_checkpointing:
        model.enable_input_require_grads()
    if config.start:
        return _continued(model, config)
    lora = LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules=targets,
        layers_to_transform=top,
        task_type="CAUSAL_LM",
    )
    try:
        return get_peft_model(model, lora)
    except ValueError as error:
        raise PalrError(f"lora_targets={','.join(targets)}: {fault(error)}") from error


def _targets(model: Any, config: Config) -> list[str]:
    """Names of the layers that get LoRA, such as q_proj; where none is named, all linear ones."""
    from torch.nn import Linear
    from transformers.pytorch_utils import Conv1D

    head = model.get_output_embeddings()
    layers = {name: module for name, module in model.named_modules() if module is not head}
    linear = {
        name.rpartition(".")[2]
        for name, layer in layers.items()
        if isinstance(layer, Linear | Conv1D)
    }
    absent = [
        target
        for target in config.lora_targets
        if not any(f".{name}".endswith(f".{target}") for name in layers)
    ]
    if absent:
        raise PalrError(
            f"{config.base_model} has no layer {' or '.join(absent)}: set lora_targets to some of "
            f"{json.dumps(sorted(linear))}, or leave it out for all of them"
        )
    return list(config.lora_targets) or sorted(linear)


def read_start(config: Config) -> tuple[Any, dict[str, Any]] | None:
    """Settings and weights of the adapter to go on from; None where there is none to be.

    Raises:
        PalrError: the folder holds no adapter that can be gone on from.
    """
    if not config.start:
        return None
    try:
        folder = Path(config.start).expanduser()
        return read_settings(folder)[0], read_weights(folder)
    except LLMError as error:
        raise PalrError(f"cannot go on from start={config.start}: {error}") from error


def _continued(model: Any, config: Config) -> Any:
    found = read_start(config)
    assert found is not None
    settings, weights = found
    try:
        return lay_over(model, settings, weights)
    except LLMError as error:
        reason = str(error)
    except Exception as error:  # PEFT raises whatever a setting or a weight leads it to
        reason = misfit(error, len(weights))
    raise PalrError(f"cannot go on from start={config.start}: {reason}")


def save(model: Any, record: TrainingRecord, domain: str, folder: Path) -> TrainingRecord:
    """Write the adapter's folder.

    Weights are stored in half precision. The base is named by its hub id where it has one: a path
    would hold on this machine only.

    Args:
        model: A PEFT model.
        record: How it was trained.
        domain: Key of the domain.
        folder: Where the adapter is written.

    Returns:
        The record with the checksum of the weights.

    Raises:
        OSError: the folder cannot be written.
    """
    import torch
    from peft import get_peft_model_state_dict
    from safetensors.torch import save as serialized

    folder.mkdir(parents=True, exist_ok=True)
    base = record.config.base_model
    settings = model.peft_config["default"]
    known = Path(base).name if Path(base).is_dir() else base
    settings.base_model_name_or_path = SMOLLM2_HUB_ID if base == SMOLLM2 else known
    settings.inference_mode = True
    settings.save_pretrained(str(folder))
    tensors = get_peft_model_state_dict(model, save_embedding_layers=False)
    half = {name: value.detach().cpu().to(torch.float16) for name, value in tensors.items()}
    write(folder / WEIGHTS, serialized(half, metadata={"format": "pt"}))
    record = replace(record, weights_sha256=sha256(folder / WEIGHTS))
    note = {
        "modes": modes(record),
        "prior": record.config.prior,
        "domain": domain,
        "dataset": record.instructions.dataset,
        "base_model": settings.base_model_name_or_path,
        "tasks": sorted(record.instructions.counts),
    }
    write_note(folder, note)
    (folder / RECORD).write_text(record.to_json() + "\n")
    (folder / CURVE).write_text(loss_curve(record.curve, record.name))
    (folder / "README.md").write_text(card(record, settings.base_model_name_or_path))
    return record


def modes(record: TrainingRecord) -> list[str]:
    """The ways of ranking that the adapter was trained for, the best first."""
    taught = (
        TAUGHT[record.config.loss] if "Recommend_Retrieval" in record.instructions.counts else ""
    )
    written = taught == "titles" or "Recommend" in record.instructions.counts
    found = [taught] if get_mode(taught or DEFAULT_MODE).labelled else []
    return [*found, *(["titles", "likelihood"] if written else [])]
