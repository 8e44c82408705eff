"""Train a LoRA adapter on instruction data: ``python -m finetune train``.

The transformers Trainer does the work, with PEFT underneath; this module gives it rows and a loss.
A checkpoint every ``save_steps`` lets a killed run go on where it stopped.
"""

import hashlib
import json
import os
import resource
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import TrainingArguments

from finetune.configs import Config
from finetune.data.dataset import EXAMPLES, Manifest, read_examples, read_manifest
from finetune.training import adapters
from finetune.training.collate import Collator, Instructions, check_taught
from finetune.training.record import Point, TrainingRecord, commit, sha256, versions
from finetune.training.trainer import Epochs, RankingTrainer
from palr.errors import DataError, PalrError
from palr.llm.adapters import WEIGHTS
from palr.llm.transformers import TransformersLLM
from palr.outputs import kept, output_folder
from palr.settings import Settings

if TYPE_CHECKING:
    from palr.catalog.catalog import Catalog


_COMPILERS = ("gcc", "clang", "cc")  # any will do
_WORKERS = 4  # processes that render prompts while a GPU learns


@dataclass(frozen=True)
class Run:
    """What to train: ``instructions`` is a folder that `finetune.data.build` left, ``out`` the
    folder that gets the adapter."""

    name: str
    config_name: str
    config: Config
    instructions: Path
    out: Path
    command: str = ""


def train(
    run: Run,
    catalog: "Catalog",
    settings: Settings,
    quiet: bool = False,
    llm: TransformersLLM | None = None,
) -> TrainingRecord:
    """Train an adapter and save it with its record, picture and card.

    Args:
        run: What is trained, and where it is written.
        catalog: Whose items are meant.
        settings: The settings, for the home and the models.
        quiet: Whether no progress is shown.
        llm: Stands in for the configuration's base model.

    Returns:
        The record, which lies in the folder too.

    Raises:
        DataError: the instructions are missing or broken, or belong to other data.
        LLMError: the base model does not load.
        UnwritableError: the adapter's folder cannot be written; what is learnt by then lies
            elsewhere.
        PalrError: settings contradict each other or do not fit the base model, memory ran out (the
            message says what to lower), the loss is not finite, or there is nothing to compile
            with.
    """
    config = run.config
    config.check()
    manifest = read_manifest(run.instructions)
    if manifest.dataset != catalog.dataset:
        raise DataError(
            f"{run.instructions} is made from {manifest.dataset}, not {catalog.dataset}"
        )
    known = {item.id for item in catalog.items}
    examples = read_examples(run.instructions / EXAMPLES, known)
    check_taught(examples, config)
    adapters.read_start(config)
    check_compiler(config)
    if os.environ.get("RANK", "0") == "0":  # the only process that writes it
        output_folder(str(run.out))
    llm = llm or base_model(config, settings)
    torch.manual_seed(config.seed)  # LoRA starts from random weights
    model = adapters.with_lora(llm.model, config)
    kinds = sorted(llm.model._no_split_modules or ())
    if config.compile:
        compile_layers(module for module in llm.model.modules() if type(module).__name__ in kinds)
    dataset = Instructions(examples, catalog, llm, config)
    checkpoints = settings.home / "checkpoints" / f"{run.name}-{_signature(run, manifest)}"
    trainer = RankingTrainer(
        model=model,
        args=TrainingArguments(
            **arguments(config, checkpoints, llm.model.device, llm.model.dtype, quiet, kinds)
        ),
        train_dataset=dataset,
        data_collator=Collator(pad_token(llm.tokenizer)),
        distilled=config.loss == "distilled",
    )
    trainer.add_callback(Epochs(dataset))
    resume = last_checkpoint(checkpoints)
    begin = time.monotonic()
    with memory_guard(config):
        result = trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    record = TrainingRecord(
        name=run.name,
        command=run.command,
        config_name=run.config_name,
        config=config,
        instructions=manifest,
        examples=len(examples),
        steps=result.global_step,
        parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
        seconds=round(time.monotonic() - begin, 1),
        tokens=trainer.tokens,
        device=_device_name(llm.model.device),
        dtype=str(llm.model.dtype).removeprefix("torch."),
        commit=commit(),
        versions=versions(),
        curve=tuple(_points(trainer.state.log_history)),
        resumed_at=int(resume.name.rpartition("-")[2]) if resume else 0,
        peak_memory_mb=_peak_memory(),
        start_sha256=sha256(Path(config.start).expanduser() / WEIGHTS) if config.start else "",
    )
    if trainer.is_world_process_zero():
        save = partial(adapters.save, model, record, catalog.domain.key)
        record = kept(run.out, save)
        shutil.rmtree(checkpoints, ignore_errors=True)
    trainer.accelerator.wait_for_everyone()
    return record


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end, or None.

    The Trainer writes ``trainer_state.json`` last, so a kill in between leaves none that parses.
    """
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    for path in reversed(found):
        try:
            json.loads((path / "trainer_state.json").read_text())
        except (OSError, ValueError):
            shutil.rmtree(path)
        else:
            return path
    return None


def base_model(config: Config, settings: Settings) -> TransformersLLM:
    """The model to be adapted, without any adapter; raises LLMError naming the remedy."""
    wanted = settings.model_copy(
        update={"llm": config.base_model, "adapter": "", "dtype": config.dtype}
    )
    llm = TransformersLLM.load(wanted)
    llm.model.config.use_cache = False
    return llm


def check_compiler(config: Config) -> None:
    """Raises PalrError where ``compile`` is set and no compiler is found."""
    if config.compile and not any(map(shutil.which, _COMPILERS)):
        raise PalrError(
            f"compile=true needs a C compiler ({', '.join(_COMPILERS)}), and none is found: "
            "install one, or set compile=false (with --set)"
        )


def compile_layers(layers: Iterable[torch.nn.Module]) -> None:
    """Have torch compile them, once for all: they differ in nothing but weights."""
    for layer in layers:
        layer.compile(dynamic=True)


def pad_token(tokenizer: Any) -> int:
    """A token to fill rows with. It is masked, so any will do where the tokenizer has none."""
    for token in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if token is not None:
            return int(token)
    return 0


def arguments(
    config: Config,
    out: Path,
    device: torch.device,
    dtype: torch.dtype,
    quiet: bool,
    kinds: Sequence[str] = ("LlamaDecoderLayer",),
) -> dict[str, Any]:
    """The configuration in the words of the transformers Trainer.

    Args:
        config: The configuration.
        out: Where checkpoints go.
        device: Where it trains.
        dtype: The type of the computation.
        quiet: Whether no progress is shown.
        kinds: Names of the classes of the model's layers.
    """
    wrapped = {"transformer_layer_cls_to_wrap": list(kinds), "fsdp_version": 2}
    return {
        "output_dir": str(out),
        "per_device_train_batch_size": config.batch_size,
        "gradient_accumulation_steps": config.accumulate,
        "num_train_epochs": config.epochs,
        "max_steps": config.max_steps,
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": config.warmup,  # below one: a share of all steps
        "weight_decay": config.weight_decay,
        "bf16": device.type == "cuda" or dtype == torch.bfloat16,
        "use_cpu": device.type == "cpu",
        "activation_checkpointing": config.gradient_checkpointing and not config.fsdp,
        "fsdp": config.fsdp,
        "fsdp_config": wrapped | {"activation_checkpointing": config.gradient_checkpointing}
        if config.fsdp
        else None,
        "save_steps": config.save_steps,
        "save_total_limit": 1,
        "logging_steps": config.log_steps,
        "seed": config.seed,
        "data_seed": config.seed,
        "remove_unused_columns": False,
        "report_to": "none",
        "disable_tqdm": quiet,
        "dataloader_num_workers": _WORKERS if device.type == "cuda" else 0,
    }


@contextmanager
def memory_guard(config: Config) -> Iterator[None]:
    """Turn an allocation that failed into a message that names the setting to lower.

    Raises:
        PalrError: memory ran out.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise PalrError(memory_advice(config)) from error
    except RuntimeError as error:
        if "can't allocate memory" in str(error) or "out of memory" in str(error).lower():
            raise PalrError(memory_advice(config)) from error
        raise


def memory_advice(config: Config) -> str:
    """Which setting to change when memory runs out, the one that costs least first.

    >>> memory_advice(Config(batch_size=8, accumulate=2))
    'out of memory: set batch_size=4 accumulate=4 (now 8 and 2), which learns the same'
    """
    if config.batch_size > 1:
        half, twice = config.batch_size // 2, config.accumulate * 2
        return (
            f"out of memory: set batch_size={half} accumulate={twice} (now "
            f"{config.batch_size} and {config.accumulate}), which learns the same"
        )
    wishes = []
    if not config.gradient_checkpointing:
        wishes.append("gradient_checkpointing=true")
    wishes.append(f"candidates=[10,{max(config.candidates[1] // 2, 10)}]")
    if config.lora_layers != 1:
        wishes.append(f"lora_layers={(config.lora_layers or 12) // 2}")
    if config.dtype != "int4":
        wishes.append("dtype=int4")
    return f"out of memory with batch_size=1: set {', then '.join(wishes)} (with --set)"


def _points(history: list[dict[str, Any]]) -> Iterator[Point]:
    for entry in history:
        if "loss" in entry:
            yield Point(
                int(entry["step"]),
                float(entry["loss"]),
                entry.get("ndcg"),
                entry.get("ndcg_listed"),
            )


def _signature(run: Run, manifest: Manifest) -> str:
    """Names the run, so that another run's checkpoint is not taken for its own."""
    text = f"{replace(run, command='', out=Path())} {manifest}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _device_name(device: torch.device) -> str:
    return str(torch.cuda.get_device_name(device)) if device.type == "cuda" else str(device.type)


def _peak_memory() -> int | None:
    """Peak memory of the GPU in MB, or of this process where there is none."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated() // 1_000_000)
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
