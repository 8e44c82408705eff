"""One run on the command line: ``recommend``, ``replay`` of a saved one, and ``read`` of a wish."""

import json
from dataclasses import asdict
from itertools import chain, islice
from pathlib import Path
from typing import Annotated

import typer

from palr.app.runtime import Runtime
from palr.app.setup import ensure
from palr.commands.console import echo
from palr.commands.text import reading_text, run_text
from palr.domains import DOMAINS, get_domain
from palr.errors import PalrError
from palr.llm import get_backend
from palr.ranking import MODES
from palr.recommender import N_CANDIDATES, K
from palr.runs.files import (
    STAGES,
    SavedTrace,
    changed_origin,
    differences,
    read_trace,
    resolved,
)
from palr.runs.files import replay as run_again
from palr.runs.report import markdown
from palr.settings import Settings, load_settings
from palr.steering import profile_weight as weight_of
from palr.types import NO_WISH, Asked, Wish

DomainName = Annotated[str, typer.Option(help=f"One of: {', '.join(DOMAINS)}.")]
Titles = list[str] | None
Picks = Annotated[Titles, typer.Option(help="A title; repeat it, oldest first.")]
RetrieverName = Annotated[str | None, typer.Option(help="Retriever; see PALR_RETRIEVER.")]
Mode = Annotated[
    str | None, typer.Option(help=f"One of: {', '.join(MODES)}; default the adapter's own.")
]
Words = Annotated[str, typer.Option(help="What is wanted: 'less drama, more laughs'.")]
More = Annotated[list[str] | None, typer.Option(help="A keyword to see more of; repeat it.")]
Less = Annotated[list[str] | None, typer.Option(help="A keyword to see less of; repeat it.")]
Years = Annotated[str, typer.Option(help="First and last year: 1990-1999.")]
Seen = Annotated[Titles, typer.Option(help="A title to leave out; repeat it.")]
Liked = Annotated[Titles, typer.Option(help="A title to see more like; repeat it.")]
Disliked = Annotated[Titles, typer.Option(help="A title to see less like; repeat it.")]
Strength = Annotated[float, typer.Option(help="How much the wish counts, from 0 to 1.")]
ProfileWeight = Annotated[
    float | None,
    typer.Option(
        help="How much the profile moves the candidates, from 0 to 1.",
        show_default=", ".join(f"{d.profile_weight:g} for {d.nouns}" for d in DOMAINS.values()),
    ),
]


def recommend(
    pick: Picks = None,
    domain: DomainName = "movies",
    retriever: RetrieverName = None,
    mode: Mode = None,
    candidates: Annotated[int, typer.Option(min=1, help="To be ranked.")] = N_CANDIDATES,
    k: Annotated[int, typer.Option("-k", min=1, help="Recommendations to make.")] = K,
    wish: Words = "",
    more: More = None,
    less: Less = None,
    years: Years = "",
    seen: Seen = None,
    liked: Liked = None,
    disliked: Disliked = None,
    strength: Strength = NO_WISH.strength,
    profile_weight: ProfileWeight = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole trace as JSON.")] = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the whole trace as a report.")
    ] = False,
) -> None:
    """Print every stage of one run, or the trace as the page saves it."""
    weight = weight_of(profile_weight, get_domain(domain))
    runtime = ready_runtime()
    recommender = runtime.recommender(domain)
    titles = [tuple(each or ()) for each in (pick, seen, liked, disliked)]
    found = iter(recommender.catalog.find_all(chain(*titles)))  # all that are unknown at once
    picks, *others = (tuple(islice(found, len(each))) for each in titles)
    seen_ids, liked_ids, disliked_ids = (tuple(item.id for item in items) for items in others)
    wished = Wish(
        *(tuple(more or ()), tuple(less or ()), _years(years)),
        seen=seen_ids,
        liked=liked_ids,
        disliked=disliked_ids,
        words=wish,
        strength=strength,
    )
    asked = Asked(retriever, mode, candidates, k, wish=wished, profile_weight=weight)
    trace = recommender.recommend(picks, asked)
    saved = SavedTrace(runtime.origin(domain), trace)
    if as_json:
        echo(saved.to_json())
    else:
        echo(markdown(saved) if as_markdown else run_text(trace))


def _years(text: str) -> tuple[int, int] | None:
    """First and last year of "1990-1999" or of "1994"; None for no text."""
    if not text.strip():
        return None
    first, _, last = text.partition("-")
    try:
        return int(first), int(last or first)
    except ValueError as error:
        raise PalrError(f"{text!r} are no years: write 1990-1999, or 1994") from error


def read(
    text: Annotated[str, typer.Argument(help="A wish, such as 'less drama, more laughs'.")],
    domain: DomainName = "movies",
    as_json: Annotated[bool, typer.Option("--json", help="Print the reading as JSON.")] = False,
) -> None:
    """Show how a wish in words is read: keywords wanted more and less, years, what is unread."""
    get_domain(domain)
    reading = ready_runtime().read_wish(domain, text)
    echo(json.dumps(asdict(reading), ensure_ascii=False) if as_json else reading_text(reading))


def replay(
    file: Annotated[Path, typer.Argument(help="A trace, as the page and `recommend` save it.")],
) -> None:
    """Run a saved trace again and print what differs; exit code 1 where something does."""
    try:
        saved = read_trace(file.read_bytes())
    except OSError as error:
        raise PalrError(f"cannot read {file}: {error.strerror}") from error
    runtime = ready_runtime()
    recommender = runtime.recommender(saved.trace.domain)
    again = run_again(saved, recommender)
    for line in changed_origin(saved, SavedTrace(runtime.origin(again.domain), again)):
        echo(f"made with another {line}")
    before, _ = resolved(saved, recommender.catalog)
    found = differences(before, again)
    for stage in STAGES:
        lines = [difference.what for difference in found if difference.stage == stage]
        echo(f"{stage}: {'differs' if lines else 'the same'}")
        echo("".join(f"  {line}\n" for line in lines), nl=False)
    if found:
        raise typer.Exit(1)


def checked_settings() -> Settings:
    """The settings, all of whose values are known; raises SettingsError."""
    settings = load_settings()
    get_backend(settings.llm_backend)
    return settings


def ready_runtime() -> Runtime:
    """A runtime over what the default needs, which is fetched where it is not there yet."""
    settings = checked_settings()
    ensure(settings, say=lambda text: echo(text, err=True))
    return Runtime(settings)
