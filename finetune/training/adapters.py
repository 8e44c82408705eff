"""LoRA over a base model, and the folder that an adapter is shipped in.

``adapter_config.json`` and ``adapter_model.safetensors`` are PEFT's. ``palr.json`` tells the app
what the adapter is for, ``record.json`` how it came to be, ``loss.svg`` and ``README.md`` (the
model card) are drawn from the record.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from finetune.configs import TAUGHT, Config
from finetune.training.cards import card
from finetune.training.record import CURVE, RECORD, TrainingRecord, loss_curve, sha256
from palr.errors import PalrError
from palr.files import write
from palr.llm.adapters import SMOLLM2_HUB_ID, WEIGHTS, write_note
from palr.ranking import DEFAULT_MODE, get_mode
from palr.settings import SMOLLM2


def with_lora(model: Any, config: Config) -> Any:
    """A PEFT model with LoRA on the top ``config.lora_layers`` layers, or with that of
    ``config.start``.

    The embeddings need no gradient, so autograd keeps nothing of the layers below.

    Raises:
        PalrError: ``config.start`` holds no adapter, or one of another base.
    """
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    depth = int(model.config.num_hidden_layers)
    top = None
    if config.lora_layers is not None:
        top = list(range(max(depth - config.lora_layers, 0), depth))
    if config.dtype == "int4":
        model = prepare_model_for_kbit_training(
            model, use_gradient_checkpointing=config.gradient_checkpointing
        )
    elif config.gradient_checkpointing:
        model.enable_input_require_grads()
    if config.start:
        return _continued(model, config.start)
    lora = LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules=list(config.lora_targets),
        layers_to_transform=top,
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, lora)


def _continued(model: Any, folder: str) -> Any:
    from peft import PeftModel

    if not (Path(folder) / WEIGHTS).is_file():
        raise PalrError(f"start={folder} holds no {WEIGHTS}; name the folder of an adapter")
    try:
        return PeftModel.from_pretrained(model, folder, is_trainable=True)
    except (ValueError, RuntimeError) as error:  # made for another base
        raise PalrError(f"cannot go on from the adapter in {folder}: {error}") from error


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
