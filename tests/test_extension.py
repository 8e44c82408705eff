"""A domain, a backend, a retriever and a ranking mode, each added from outside by one entry.

Each is then used as a visitor and a program use it: `Handlers` are the page's functions, `Api` is
what programs call.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from palr.__main__ import app
from palr.app.api import Api
from palr.app.doctor import examine
from palr.app.runtime import Runtime
from palr.catalog.catalog import Catalog, CatalogStore
from palr.data.datasets import DATASETS, read
from palr.domains import BEAUTY, DOMAINS
from palr.errors import PalrError, SettingsError
from palr.llm import BACKENDS, Backend
from palr.llm.adapters import Adapter
from palr.llm.base import LLM, Batch, TokenLLM, last
from palr.llm.scripted import ScriptedLLM
from palr.ranking import MODES, Job
from palr.ranking.modes import Mode, by_score
from palr.recommender import ZERO_SHOT
from palr.retrieval import RETRIEVERS, Entry, NoInteractions
from palr.settings import Settings
from palr.types import Item, Ranking, Recommendation
from palr.ui.handlers import Handlers, finished
from palr.ui.page import build_page
from palr.ui.queued_run import Turns
from palr.ui.request import AUTOMATIC, Choices, PageRequest

T = TypeVar("T")
FILMS = ["1", "588"]  # Toy Story, Aladdin


@contextmanager
def added(registry: dict[str, T], name: str, entry: T) -> Iterator[None]:
    registry[name] = entry
    try:
        yield
    finally:
        del registry[name]


@pytest.fixture
def settings(palr_home: Path) -> Settings:
    return Settings(home=palr_home, llm_backend="scripted")


def ready(settings: Settings) -> Runtime:
    runtime = Runtime(settings)
    runtime.llm()
    return runtime


def on_page(
    runtime: Runtime,
    picks: list[str],
    domain: str = "movies",
    retriever: str = AUTOMATIC,
    mode: str = AUTOMATIC,
) -> Recommendation:
    """The finished run after a press of Recommend."""
    handlers = Handlers(runtime)
    picked = {"domain": domain, "picks": picks}
    request = PageRequest.parse(picked, *asdict(Choices(retriever, mode)).values())
    states = handlers.begin(request, {}).states
    for update in handlers.run(request, states):
        states = update.parts.get("states", states) if update else states
    run = finished(states, domain)
    assert run is not None, states
    return run


def by_api(runtime: Runtime, picks: list[str], **options: Any) -> dict[str, Any]:
    *_, answer = Api(runtime).recommend(picks, **options)
    assert isinstance(answer, dict)
    return answer


# A domain: an entry of DOMAINS, and one of DATASETS for its data.

BOOKS = replace(
    BEAUTY,
    key="books",
    label="Books",
    noun="book",
    nouns="books",
    verb="read",
    person="reader",
    taste="books about {keywords}",
    datasets=("books-tiny",),
    history_intro="User has read the following books",
)
BOOKS_TINY = replace(
    DATASETS["beauty-starter"],
    key="books-tiny",
    domain="books",
    label="A few books",
    layouts=(("books.csv",),),
    builtin=None,
)
SHELF = """id,brand,name,size,category,keywords
b1,Melville,Moby-Dick,,Novel,sea; whale
b2,Verne,Twenty Thousand Leagues Under the Seas,,Novel,sea; adventure
b3,Austen,Emma,,Novel,love; village
b4,Stevenson,Treasure Island,,Novel,sea; pirates
"""


@pytest.fixture
def with_books(palr_home: Path, tmp_path: Path) -> Iterator[Settings]:
    """A home to write to, and a domain that has no data yet."""
    home = tmp_path / "home"
    (home / "embeddings").mkdir(parents=True)
    shutil.copy(palr_home / "catalog.db", home)
    for part in ("models", "downloads"):
        (home / part).symlink_to(palr_home / part)
    for file in (palr_home / "embeddings").glob("*.npy"):
        (home / "embeddings" / file.name).symlink_to(file)
    with added(DOMAINS, "books", BOOKS), added(DATASETS, "books-tiny", BOOKS_TINY):
        yield Settings(home=home, llm_backend="scripted")


def test_a_domain(with_books: Settings, tmp_path: Path) -> None:
    file = tmp_path / "books.csv"
    file.write_text(SHELF)
    raw = read("books-tiny", file, with_books)
    CatalogStore(with_books.catalog_url).install("books-tiny", raw)
    runtime = ready(with_books)
    assert [domain.key for domain in runtime.domains] == ["movies", "beauty", "books"]
    run = on_page(runtime, ["b1"], "books")
    assert run.dataset == "books-tiny"
    assert run.prompt is not None
    assert "User has read the following books" in run.prompt.text
    assert run.ranking is not None
    ranked = [place.item.id for place in run.ranking.items]
    assert sorted(ranked) == ["b2", "b3", "b4"]
    answer = by_api(runtime, ["b1"], domain="books")
    assert [place["id"] for place in answer["recommendations"]] == ranked


def test_a_domain_without_data_stops_no_other(with_books: Settings) -> None:
    runtime = Runtime(with_books)
    runtime.warm_up().join()
    assert runtime.llm_status.state == "ready"
    assert [domain.key for domain in runtime.domains] == ["movies", "beauty"]
    offered = str(build_page(runtime).demo.get_config_file())
    assert "Beauty" in offered
    assert "Books" not in offered
    assert on_page(runtime, FILMS).ranking is not None
    (found,) = (finding for finding in examine(with_books) if finding.about == "books")
    assert found.remedy == "python -m palr data install books-tiny"
    with pytest.raises(PalrError, match=r"no catalog of books is installed.*books-tiny"):
        by_api(runtime, ["b1"], domain="books")
    result = CliRunner().invoke(app, ["setup"], env={"PALR_HOME": str(with_books.home)})
    assert result.exit_code == 0, result.output


# A backend: an entry of BACKENDS.


class Echo(ScriptedLLM):
    """Answers with the candidates as they come."""

    name = "echo"

    def __init__(self) -> None:
        super().__init__(lambda prompt: prompt.partition("The candidates are ")[2])


class EchoPool:
    """Remembers which adapters were asked for."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []

    def llm(self, adapter: Adapter | None) -> LLM:
        self.asked.append(adapter.name if adapter else None)
        return Echo()


def test_a_backend(settings: Settings) -> None:
    echo = Backend(
        "an echo",
        load=lambda settings: Echo(),
        check=lambda settings: ("nobody is there", "shout louder"),
        runs_at_once=3,
    )
    settings = settings.model_copy(update={"llm_backend": "echo"})
    with added(BACKENDS, "echo", echo):
        runtime = ready(settings)
        run = on_page(runtime, FILMS, mode="titles")
        assert run.llm == "echo"
        assert run.ranking is not None
        assert [place.retriever_rank for place in run.ranking.items] == [*range(1, 11)]
        assert by_api(runtime, FILMS)["llm"] == "echo"
        assert Choices.offered(runtime, "movies")["adapter"] == [("Automatic", AUTOMATIC)]
        assert Turns(Handlers(runtime), settings).places == settings.queue + 3
        findings = {finding.about: finding for finding in examine(settings)}
    assert findings["backend"].found == "echo: an echo"
    assert findings["language model"].remedy == "shout louder"
    with pytest.raises(SettingsError, match="unknown backend 'echo'; choose one of: transformers"):
        Runtime(settings)


def test_a_backend_that_switches_adapters(settings: Settings) -> None:
    pool = EchoPool()
    echo = Backend("an echo", lambda settings: Echo(), lambda settings: ("", ""), lambda _: pool)
    with added(BACKENDS, "echo", echo):
        runtime = ready(settings.model_copy(update={"llm_backend": "echo"}))
        names = [name for _, name in Choices.offered(runtime, "movies")["adapter"]]
        assert names == [AUTOMATIC, "ml-1m-v2-steered", "ml-1m-v2", "ml-1m-v1", ZERO_SHOT]
        on_page(runtime, FILMS)
    assert pool.asked == [None, "ml-1m-v2"]


# A retriever: an entry of RETRIEVERS.


class Alphabet:
    """The first titles of the alphabet."""

    name = "alphabet"

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = tuple(sorted(items, key=lambda item: item.title))

    def score(self, histories: Sequence[Sequence[Item]]) -> NDArray[np.float32]:
        scores = -np.arange(len(self.items), dtype=np.float32)
        return np.tile(scores, (len(histories), 1))


def alphabet(catalog: Catalog, settings: Settings) -> Alphabet:
    return Alphabet(catalog.items)


def test_a_retriever(settings: Settings) -> None:
    entry = Entry(
        label="Alphabet",
        meaning="the first titles of the alphabet",
        learns=NoInteractions(),
        load=alphabet,
        missing=lambda catalog, settings: None,
    )
    with added(RETRIEVERS, "alphabet", entry):
        runtime = ready(settings)
        offered = Choices.offered(runtime, "movies")["retriever"]
        assert ("Alphabet", "alphabet") in offered
        run = on_page(runtime, FILMS, retriever="alphabet")
        answer = by_api(runtime, FILMS, retriever="alphabet")
    own = sorted(run.candidates or (), key=lambda found: found.steer - found.score)
    titles = [candidate.item.title for candidate in own]  # in the retriever's order
    assert run.retriever == answer["retriever"] == "alphabet"
    assert len(titles) == 50
    assert titles == sorted(titles)
    assert run.ranking is not None
    assert [p.item.id for p in run.ranking.items] == [p["id"] for p in answer["recommendations"]]


# A ranking mode: an entry of MODES.


class Shortest(Mode):
    label = "Shortest"
    explanation = "the shortest title first"

    def rank(self, job: Job, llm: TokenLLM) -> Iterator[Ranking]:
        scores = [-len(name) for name in job.names]
        yield by_score(scores, job.names, job.candidates, job.k, 0)

    def rank_batch(self, jobs: Sequence[Job], batch: Batch, llm: TokenLLM) -> list[Ranking]:
        return [last(self.rank(job, llm)) for job in jobs]


def test_a_mode(settings: Settings) -> None:
    with added(MODES, "shortest", Shortest()):
        runtime = ready(settings)
        assert ("Shortest", "shortest") in Choices.offered(runtime, "movies")["mode"]
        run = on_page(runtime, FILMS, mode="shortest")
        answer = by_api(runtime, FILMS, mode="shortest")
    lengths = [len(candidate.item.label) for candidate in run.candidates or ()]
    assert run.ranking is not None
    ranked = [place.item for place in run.ranking.items]
    assert [len(item.label) for item in ranked] == sorted(lengths)[:10]
    assert (run.mode, answer["mode"]) == ("shortest", "shortest")
    assert [place["id"] for place in answer["recommendations"]] == [item.id for item in ranked]
