"""The command line: ``python -m finetune --help``."""

from palr.commands import console

if __name__ == "__main__":
    console.prepare("finetune")  # first: what follows takes long to import

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from finetune.checks import checked_name
from finetune.configs import CONFIGS, RECIPES, RETRIEVER, named, with_changes
from palr.app.setup import ensure
from palr.catalog.catalog import CatalogStore
from palr.commands.console import echo
from palr.data.progress import Bars, bars_on_terminals_only
from palr.outputs import STDOUT, output_file, output_folder, save
from palr.ranking import DEFAULT_MODE, MODES
from palr.settings import Settings, load_settings

if TYPE_CHECKING:
    from palr.catalog.catalog import Catalog

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)

Name = partial(typer.Option, parser=checked_name, metavar="NAME")
CPU = "smollm2-135m-cpu"
ProfileKind = Literal["none", "llm"]
DatasetName = Annotated[str, typer.Option(help="An installed data set with interactions.")]
Changes = Annotated[
    list[str] | None, typer.Option("--set", help="field=value, laid over the named entry; repeat.")
]
Users = Annotated[int, typer.Option(min=0, help="Test users to draw; 0: all.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the samples.")]
Skip = Annotated[int, typer.Option(min=0, help="Leave out the first users that this seed draws.")]
JsonFile = Annotated[
    Path | None,
    typer.Option(
        "--json", parser=output_file, metavar="FILE", help="Write JSON to this file; - prints it."
    ),
]


@app.callback()
def main() -> None:
    """Teach an LLM to recommend, and measure it."""


@app.command()
def build(
    dataset: DatasetName,
    recipe: Annotated[str, typer.Option(help=f"One of: {', '.join(RECIPES)}.")] = "palr-v2",
    changes: Changes = None,
    name: Annotated[str, Name(help="Name of the result; default the recipe's.")] = "",
) -> None:
    """Make instruction data from the training part of a data set."""
    from finetune.data.build import build, folder
    from palr.llm import load_llm

    chosen = with_changes(named(RECIPES, recipe), changes or [])
    settings, catalog = _open(dataset)
    with Bars() as bars:
        manifest = build(
            catalog, settings, name or recipe, chosen, lambda: load_llm(settings), bars
        )
    place = folder(settings, dataset, manifest.name)
    counts = ", ".join(f"{n:,} {task}" for task, n in manifest.counts.items())
    echo(f"{counts} of {manifest.users:,} users in {place}")


@app.command()
def train(
    dataset: DatasetName,
    config: Annotated[str, typer.Option(help=f"One of: {', '.join(CONFIGS)}.")],
    instructions: Annotated[str, Name(help="Name of the instruction data.")] = "palr-v2",
    name: Annotated[str, Name(help="Name of the adapter; default the data's.")] = "",
    changes: Changes = None,
    out: Annotated[
        Path | None,
        typer.Option(
            parser=output_folder,
            metavar="FOLDER",
            help="Folder for the adapter; default PALR_HOME/adapters/NAME.",
        ),
    ] = None,
) -> None:
    """Train an adapter; a killed run resumes when it is started again."""
    from finetune.data.build import folder
    from finetune.training.train import Run, train

    chosen = with_changes(named(CONFIGS, config), changes or [])
    settings, catalog = _open(dataset)
    name = name or f"{instructions}-{dataset}"
    run = Run(
        name=name,
        config_name=config,
        config=chosen,
        instructions=folder(settings, dataset, instructions),
        out=out or settings.home / "adapters" / name,
        command=_command(),
    )
    record = train(run, catalog, settings)
    echo(
        f"{record.name}: {record.steps} steps, {record.tokens_per_second:,.0f} tokens a second, "
        f"in {run.out}"
    )


@app.command()
def calibrate(
    dataset: DatasetName,
    adapter: Annotated[Path, typer.Argument(help="Folder of the adapter.")],
    retriever: Annotated[str, typer.Option(help="The retriever before the model.")] = RETRIEVER,
    validation: Annotated[int, typer.Option(min=1, help="Validation users to ask.")] = 500,
    seed: Seed = 0,
) -> None:
    """Weigh an adapter's scores against the retriever's, for serving."""
    from finetune.evaluation.calibrate import calibrate
    from finetune.evaluation.rankers import Sampling

    settings, catalog = _open(dataset)
    sampling = Sampling(validation=validation, seed=seed)
    with Bars() as bars:
        found = calibrate(catalog, settings, adapter, retriever, sampling, bars)
    spread = f", brought to a spread of {found.spread:g} in every list" if found.spread else ""
    echo(f"{adapter}: the retriever's scores count {found.prior:g} beside the model's{spread}")


@app.command()
def ceiling(
    dataset: DatasetName,
    retriever: Annotated[str, typer.Option(help="The retriever before the teacher.")] = RETRIEVER,
    users: Users = 1500,
    validation: Annotated[int, typer.Option(min=1, help="Validation users to fit to.")] = 6000,
    seed: Seed = 0,
    skip: Skip = 0,
    json_file: JsonFile = None,
) -> None:
    """Measure what the teacher adds to a retriever: what there is to learn. Takes minutes."""
    from finetune.evaluation.ceiling import ceiling
    from finetune.evaluation.rankers import Sampling
    from finetune.evaluation.records import report

    settings, catalog = _open(dataset)
    sampling = Sampling(users, validation, seed=seed, skip=skip)
    with Bars() as bars:
        records = ceiling(
            catalog,
            settings,
            retriever=retriever,
            sampling=sampling,
            progress=bars,
            command=_command(),
        )
    report(records, echo, json_file)


@app.command()
def evaluate(
    dataset: DatasetName,
    adapter: Annotated[
        list[str] | None,
        typer.Option(help="ROW=FOLDER or ROW=FOLDER:MODE, such as palr-v2=assets/adapters/x."),
    ] = None,
    zero_shot: Annotated[
        str, typer.Option(help=f"Mode of the row zero-shot: {', '.join(MODES)}; empty: no row.")
    ] = DEFAULT_MODE,
    retriever: Annotated[str, typer.Option(help="The retriever before the model.")] = RETRIEVER,
    baseline: Annotated[
        str | None, typer.Option(help="The row to compare the others with; default the retriever.")
    ] = None,
    profile: Annotated[ProfileKind, typer.Option(help="What the prompts say of the user.")] = "llm",
    users: Users = 1500,
    validation: Annotated[int, typer.Option(min=0, help="Validation users for the mix.")] = 500,
    checked: Annotated[int, typer.Option(min=1, help="Users asked whatever was retrieved.")] = 100,
    shuffled: Annotated[int, typer.Option(min=0, help="Of these, users for the shuffles.")] = 40,
    seed: Seed = 0,
    skip: Skip = 0,
    transfer: Annotated[
        bool, typer.Option(help="Admit adapters of another data set, with other users.")
    ] = False,
    json_file: JsonFile = None,
) -> None:
    """Measure the whole pipeline; a killed run goes on where it stopped."""
    from finetune.evaluation.evaluate import evaluate
    from finetune.evaluation.rankers import Sampling, System, read_system
    from finetune.evaluation.records import report

    settings, catalog = _open(dataset)
    rows = [System("zero-shot", None, zero_shot)] if zero_shot else []
    rows += [read_system(text) for text in adapter or []]
    with Bars() as bars:
        records = evaluate(
            catalog,
            settings,
            rows,
            retriever=retriever,
            baseline=baseline,
            sampling=Sampling(users, validation, checked, shuffled, seed=seed, skip=skip),
            profile=profile,
            transfer=transfer,
            progress=bars,
            command=_command(),
        )
    report(records, echo, json_file)


@app.command()
def bench(
    dataset: DatasetName,
    config: Annotated[str, typer.Option(help=f"One of: {', '.join(CONFIGS)}.")] = "llama-7b-fsdp",
    instructions: Annotated[str, Name(help="Name of the instruction data.")] = "palr-v2",
    steps: Annotated[int, typer.Option(min=1, help="Training steps to time.")] = 50,
    shape: Annotated[str, typer.Option(help="The model's shape; weights are random.")] = "llama-7b",
    changes: Changes = None,
    json_file: JsonFile = None,
) -> None:
    """Time training and ranking of a large model, whose weights need not be at hand."""
    import json

    from finetune.bench import bench
    from finetune.data.build import folder

    chosen = with_changes(named(CONFIGS, config), [*(changes or []), f"max_steps={steps}"])
    settings, catalog = _open(dataset)
    place = folder(settings, dataset, instructions)
    report = bench(catalog, settings, place, config, chosen, shape, _command())
    text = json.dumps(report, indent=2)
    echo(text)
    if json_file:
        save({json_file: f"{text}\n"})


@app.command()
def reproduce(
    dataset: DatasetName,
    config: Annotated[str, typer.Option(help=f"One of: {', '.join(CONFIGS)}.")] = CPU,
    users: Users = 1500,
    json_file: JsonFile = None,
) -> None:
    """Data, training and evaluation of PALR_v1 and PALR_v2, with what each is expected to take."""
    from finetune.evaluation.rankers import Sampling
    from finetune.reproduce import reproduce

    named(CONFIGS, config)
    settings, catalog = _open(dataset)
    sampling = Sampling(users=users)
    say = partial(echo, err=json_file == STDOUT)
    reproduce(catalog, settings, config, json_file, say, sampling, _command())


def _command() -> str:
    return shlex.join(["python", "-m", "finetune", *sys.argv[1:]])


def _open(dataset: str) -> tuple[Settings, "Catalog"]:
    settings = load_settings()
    ensure(settings, say=lambda text: echo(text, err=True))
    return settings, CatalogStore(settings.catalog_url).open(dataset)


def run() -> None:
    """Run the command line; an error that a person can mend is one line on stderr, exit code 2."""
    bars_on_terminals_only()
    console.run("finetune", app)


if __name__ == "__main__":
    run()
