"""The command line: ``python -m palr --help``."""

from palr.commands import console

if __name__ == "__main__":
    console.prepare("palr")  # first: what follows takes long to import

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from palr.app.runtime import Runtime
from palr.app.setup import ensure
from palr.catalog.catalog import CatalogStore
from palr.commands.console import echo
from palr.commands.run import checked_settings, ready_runtime, recommend, replay
from palr.commands.run import read as read_command
from palr.data.datasets import DATASETS, get_dataset, read, read_to_install, stats
from palr.data.progress import Bars, bars_on_terminals_only
from palr.domains import DOMAINS, get_domain
from palr.evaluation.protocol import Part
from palr.evaluation.records import to_json
from palr.evaluation.report import comparison_table, table
from palr.outputs import STDOUT, output_file, output_folder, save
from palr.retrieval import RETRIEVERS
from palr.retrieval.splits import LEAVE_ONE_OUT, PROTOCOLS, check_protocol
from palr.settings import load_settings

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
data = typer.Typer(no_args_is_help=True, help="Install, list and measure data sets.")
app.add_typer(data, name="data")
bench = typer.Typer(no_args_is_help=True, help="Measure speed on this machine.")
app.add_typer(bench, name="bench")

MAX_SEED = 2**32 - 1  # of NumPy and torch alike
DatasetKey = Annotated[str, typer.Argument(help=f"One of: {', '.join(DATASETS)}.")]
Source = Annotated[
    Path | None, typer.Option("--from", help="Folder or archive that holds the official files.")
]
InstalledDataset = Annotated[str, typer.Option(help="An installed data set with interactions.")]
JsonFile = Annotated[
    Path | None,
    typer.Option(
        "--json", parser=output_file, metavar="FILE", help="Write JSON to this file; - prints it."
    ),
]
Protocol = Annotated[str, typer.Option(help=f"How the data is split: {' or '.join(PROTOCOLS)}.")]
PartOption = Annotated[Part, typer.Option(help="Which held-out items to ask for.")]


@app.callback()
def main() -> None:
    """PALR Studio: profile, candidates and an LLM's ranking from what was watched or bought."""


@app.command()
def setup(
    verify: Annotated[bool, typer.Option(help="Check every file's checksum, and repair.")] = False,
) -> None:
    """Fetch and prepare everything the default needs, so that the first start is quick."""
    settings = checked_settings()
    ensure(settings, verify=verify)
    Runtime(settings).embed_catalogs()
    echo(f"everything is ready in {settings.home}")


@app.command()
def doctor() -> None:
    """Tell what is installed, cached and reachable, and what to do about the rest."""
    from palr.app.doctor import examine

    findings = examine(checked_settings())
    for finding in findings:
        mark = "fix" if finding.remedy else "ok"
        echo(f"{mark:4} {finding.about}: {finding.found}")
        if finding.remedy:
            echo(f"     -> {finding.remedy}")
    if any(finding.remedy for finding in findings):
        raise typer.Exit(1)


app.command("recommend")(recommend)
app.command("read")(read_command)
app.command("replay")(replay)


@bench.command("ranking")
def bench_ranking_command(
    domain: Annotated[str, typer.Option(help=f"One of: {', '.join(DOMAINS)}.")] = "movies",
    prompts: Annotated[int, typer.Option(min=1, help="Prompts to measure.")] = 20,
    k: Annotated[int, typer.Option("-k", min=1, help="Recommendations to make.")] = 10,
    json_file: JsonFile = None,
    growth: Annotated[
        bool, typer.Option("--growth", help="Measure longer lists and histories as well.")
    ] = False,
    picture_file: Annotated[
        Path | None,
        typer.Option(
            "--picture",
            parser=output_file,
            metavar="FILE",
            help="Draw the report here, such as ranking.svg.",
        ),
    ] = None,
) -> None:
    """Time every way of ranking side by side, and the floor below them."""
    from palr.bench.click import bench_click
    from palr.bench.growth import bench_growth
    from palr.bench.picture import picture
    from palr.bench.ranking import bench_ranking

    get_domain(domain)
    runtime = ready_runtime()

    def say(text: str) -> None:
        echo(text, err=True)

    result: dict[str, Any] = {}

    def measured(part: dict[str, Any]) -> None:
        """Written at once: what comes next may be stopped."""
        result.update(part)
        files = {json_file: f"{json.dumps(result, indent=2)}\n", picture_file: picture(result)}
        save({file: content for file, content in files.items() if file})

    measured(bench_ranking(runtime, domain, prompts, k, say))
    measured({"click": bench_click(runtime, domain, k, say)})
    if growth:
        measured({"growth": bench_growth(runtime, domain, k, say)})
    echo(json.dumps(result, indent=2))


@bench.command("steer")
def bench_steer_command(
    domain: Annotated[str, typer.Option(help=f"One of: {', '.join(DOMAINS)}.")] = "movies",
    users: Annotated[int, typer.Option(min=1, help="Test users, in the retriever's order.")] = 500,
    ranked: Annotated[int, typer.Option(min=0, help="Of these, as the model ranks them.")] = 0,
    json_file: JsonFile = None,
) -> None:
    """Measure how well recommendations follow a wish and the profile."""
    from palr.bench.steer import bench_steer

    runtime = ready_runtime()
    with Bars() as bars:
        result = bench_steer(runtime, get_domain(domain).key, users, ranked, bars)
    text = json.dumps(result, indent=2)
    _deliver(text, json_file, text)


@bench.command("retrieval")
def bench_retrieval_command(
    dataset: Annotated[
        str | None, typer.Option(help="An installed data set; default the largest served.")
    ] = None,
    model: Annotated[str, typer.Option(help="The retriever to measure.")] = "sasrec",
    visits: Annotated[int, typer.Option(min=1, help="Single visitors to measure.")] = 200,
    json_file: JsonFile = None,
) -> None:
    """Time candidates for one visitor, in batches and in catalogs up to 100 times larger."""
    from palr.bench.retrieval import bench_retrieval, largest_served

    settings = checked_settings()
    store = CatalogStore(settings.catalog_url)
    catalog = store.open(dataset) if dataset else largest_served(model, store, settings)
    say = partial(echo, err=json_file == STDOUT)
    result = bench_retrieval(catalog, settings, model, visits, say)
    if json_file:
        _deliver(json.dumps(result, indent=2), json_file)


@app.command()
def train_retriever(
    model: Annotated[str, typer.Argument(help="The retriever to train, such as sasrec.")],
    dataset: InstalledDataset,
    seed: Annotated[
        int, typer.Option(min=0, max=MAX_SEED, help="Seed of initialisation, order and dropout.")
    ] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            parser=output_folder,
            metavar="FOLDER",
            help="Folder for weights and record; default PALR_HOME/weights.",
        ),
    ] = None,
    protocol: Protocol = LEAVE_ONE_OUT,
) -> None:
    """Train a retriever and print its run record; a killed run resumes."""
    from palr.training.train import train

    settings = checked_settings()
    catalog = CatalogStore(settings.catalog_url).open(dataset)
    record = train(model, catalog, settings, seed, out, protocol=protocol)
    echo(record.to_json())


@app.command("evaluate")
def evaluate_command(
    dataset: InstalledDataset,
    model: Annotated[list[str], typer.Option(help=f"One or more of: {', '.join(RETRIEVERS)}.")],
    more: Annotated[list[str] | None, typer.Argument(metavar="[MODEL]...", hidden=True)] = None,
    weights: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of `train-retriever --out`, in the place of served weights."),
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(help="Compare every other model with this one, user by user.")
    ] = None,
    protocol: Protocol = LEAVE_ONE_OUT,
    part: PartOption = "test",
    json_file: JsonFile = None,
) -> None:
    """Measure retrievers on the whole catalog, seen items masked; keep each user's rank."""
    from palr.evaluation.experiment import measure

    settings = checked_settings()
    catalog = CatalogStore(settings.catalog_url).open(dataset)
    with Bars() as bars:
        records = measure(
            [*model, *(more or [])],
            catalog,
            settings,
            protocol=protocol,
            part=part,
            folders=weights or (),
            baseline=baseline,
            progress=bars,
        )
    _deliver(to_json(records), json_file, table(records))


@app.command("compare")
def compare_command(
    model: Annotated[str, typer.Argument(help="A model that was evaluated, or model-seed.")],
    baseline: Annotated[str, typer.Argument(help="What it is compared with, likewise.")],
    dataset: InstalledDataset,
    protocol: Protocol = LEAVE_ONE_OUT,
    part: PartOption = "test",
    json_file: JsonFile = None,
) -> None:
    """Compare two evaluated models by a paired bootstrap over their users."""
    from palr.evaluation.kept import KeptRanks, compare_kept

    check_protocol(protocol)
    kept = KeptRanks(checked_settings(), get_dataset(dataset).key, protocol, part)
    first, second = kept.recall(model), kept.recall(baseline)
    comparison, n_users = compare_kept(first, second)
    fields = {"model": first.name, "baseline": second.name, "n_users": n_users}
    text = comparison_table(first.name, second.name, n_users, comparison)
    _deliver(json.dumps(fields | asdict(comparison), indent=2), json_file, text)


@data.command("install")
def install_dataset(dataset: DatasetKey, source: Source = None) -> None:
    """Install a data set; it then replaces its domain's smaller default."""
    settings = checked_settings()
    key = get_dataset(dataset).key
    with Bars() as bars:
        raw = read_to_install(key, source, settings, bars)
        CatalogStore(settings.catalog_url).install(key, raw, progress=bars)
    echo(f"installed {get_dataset(key).label}: {len(raw.items):,} items")


@data.command("remove")
def remove_dataset(dataset: DatasetKey) -> None:
    """Remove an installed data set."""
    CatalogStore(checked_settings().catalog_url).remove(dataset)


@data.command("list")
def list_datasets() -> None:
    """Show the known data sets, what is installed, and the licence of each."""
    installed = CatalogStore(checked_settings().catalog_url).installed()
    for key, dataset in DATASETS.items():
        mark = "installed" if key in installed else "-"
        echo(f"{key:15} {mark:10} {dataset.label} ({dataset.licence})")


@data.command("stats")
def show_stats(dataset: DatasetKey, source: Source = None) -> None:
    """Print users, items and interactions after the paper's preprocessing.

    Of what is installed, or else of the official files.
    """
    settings = load_settings()
    store = CatalogStore(settings.catalog_url)
    with Bars() as bars:
        if source is None and dataset in store.installed():
            raw = store.raw(dataset)
        else:
            raw = read(dataset, source, settings, bars)
    users, items, interactions = stats(raw)
    echo(f"{users:,} users / {items:,} items / {interactions:,} interactions")


def _deliver(content: str, json_file: Path | None, text: str = "") -> None:
    """Print the text, and write the JSON where a file is named; or print that instead."""
    if json_file == STDOUT or text:
        echo(content if json_file == STDOUT else text)
    if json_file:
        save({json_file: f"{content}\n"})


def run() -> None:
    """Run the command line; an error that a person can mend is one line on stderr, exit code 2."""
    bars_on_terminals_only()
    console.run("palr", app)


if __name__ == "__main__":
    run()
