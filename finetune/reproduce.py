"""PALR_v1 and PALR_v2 from the data to the table, one step after the other.

Each step is a command of its own; this is their order. A step that was done is not done again: the
retriever and finished adapters lie in the home, and so does every list that was ranked.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.configs import CONFIGS, RECIPES, Recipe, named, with_changes
from finetune.data.build import build, folder
from finetune.data.dataset import MANIFEST, read_manifest
from finetune.evaluation.calibrate import calibrate
from finetune.evaluation.evaluate import evaluate
from finetune.evaluation.rankers import Sampling, System, read_system
from finetune.evaluation.records import report
from finetune.training.record import read_record
from finetune.training.train import Run, train
from palr.data.progress import Bars
from palr.errors import PalrError
from palr.llm.adapters import WEIGHTS
from palr.settings import Settings

if TYPE_CHECKING:
    from palr.catalog.catalog import Catalog

# What each configuration takes for one data set, and on which machine.
EXPECTED: dict[str, str] = {
    "smollm2-135m-cpu": "about eight hours on two CPU cores, at no cost",
    "smollm2-135m-gpu": "about an hour on one GPU of 40 GB, some 2 USD where it is rented",
    "llama-7b-qlora": "about a day on one GPU of 24 GB, some 15 USD where it is rented",
    "llama-7b-fsdp": "some hours on four GPUs of 40 GB, some 40 USD where they are rented",
}

# The adapters: which instructions each learns from, and what is laid over the configuration.
# PALR_v1 knows the task Recommend only; it learns to write titles.
# PALR_v2 selects from candidates, here from lists that a retriever drew: in random order, so that
# there is nothing to follow but the names, on top of the retriever's scores, and with a teacher.
STEPS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("palr-v1", "palr-v1", ("loss=answer",)),
    ("palr-v2", "palr-v2-drawn", ("loss=distilled", "beta=0.8", "shuffle=true")),
)


def reproduce(
    catalog: "Catalog",
    settings: Settings,
    config: str,
    json_file: Path | None,
    say: Callable[[str], None],
    sampling: Sampling | None = None,
    command: str = "",
) -> None:
    """Run all steps; see `STEPS` and `EXPECTED`. Errors are those of the steps.

    Args:
        catalog: Whose items are meant.
        settings: The settings, for the home and the models.
        config: Name of the training configuration.
        json_file: Where the records are written.
        say: Prints a line.
        sampling: Who is asked in the end, and on which validation lists PALR_v2 is calibrated.
        command: The command that a record names.
    """
    named(CONFIGS, config)  # before an hour is spent on data
    say(f"{config} on {catalog.dataset}: {EXPECTED[config]}")
    rows = [System("zero-shot")]
    for name, recipe, changes in STEPS:
        # 1. Instruction data out of the training part (section 2.2 of the paper).
        with Bars() as bars:
            _built(catalog, settings, recipe, named(RECIPES, recipe), bars)
        # 2. A LoRA adapter over the base model.
        out = settings.home / "adapters" / f"{name}-{catalog.dataset}"
        _trained(catalog, settings, recipe, config, changes, out, say)
        if read_record(out).config.prior:
            try:
                with Bars() as bars:
                    calibrate(catalog, settings, out, sampling=sampling, progress=bars)
            except PalrError as error:  # the rows below tell what the adapter is worth as trained
                say(f"not calibrated: {error}")
        rows.append(read_system(f"{name}={out}"))
    # 3. The whole pipeline on the test part, misses counted as zero.
    with Bars() as bars:
        records = evaluate(
            catalog, settings, rows, sampling=sampling, progress=bars, command=command
        )
    report(records, say, json_file)


def _built(catalog: "Catalog", settings: Settings, name: str, recipe: Recipe, bars: Bars) -> None:
    place = folder(settings, catalog.dataset, name)
    if (place / MANIFEST).is_file() and read_manifest(place).recipe == recipe:
        return
    build(catalog, settings, name, recipe, progress=bars)


def _trained(
    catalog: "Catalog",
    settings: Settings,
    recipe: str,
    config_name: str,
    changes: Sequence[str],
    out: Path,
    say: Callable[[str], None],
) -> None:
    if (out / WEIGHTS).is_file():
        say(f"{out} is there already; remove it to train it again")
        return
    config = with_changes(named(CONFIGS, config_name), changes)
    laid_over = "".join(f" --set {change}" for change in changes)
    command = (
        f"python -m finetune train --dataset {catalog.dataset} --config {config_name} "
        f"--instructions {recipe} --name {out.name}{laid_over}"
    )
    instructions = folder(settings, catalog.dataset, recipe)
    train(Run(out.name, config_name, config, instructions, out, command), catalog, settings)
