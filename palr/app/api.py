"""What programs can ask for: five functions with typed inputs, the same for every way to call them.

A function's signature is its contract: `arguments` makes a strict pydantic model of it, which the
gate checks calls by and which MCP clients see as JSON schema. Each yields words on its progress, or
None where it can be stopped and has nothing new, and last its answer.

>>> sorted(arguments(Api.search).model_json_schema()["properties"])
['dataset', 'domain', 'limit', 'query']
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from typing import Any

from palr.app.arguments import (
    AUTOMATIC,
    CandidateCount,
    CandidateIds,
    DatasetName,
    DomainName,
    K,
    Keywords,
    Limit,
    ModeName,
    OtherIds,
    Picks,
    ProfileKeywords,
    ProfileText,
    ProfileWeight,
    Query,
    RetrieverName,
    SomePicks,
    Strength,
    WishText,
    WithTrace,
    Years,
    arguments,
)
from palr.app.runtime import Runtime
from palr.catalog.catalog import SUGGESTIONS, Catalog
from palr.domains import get_domain
from palr.errors import PalrError, UnknownItemError
from palr.ranking import MODES
from palr.runs.files import MOST_NAMED, SavedTrace, named
from palr.steering import profile_weight as weight_of
from palr.text import visible
from palr.types import (
    Asked,
    Candidate,
    Edits,
    Item,
    Keyword,
    Profile,
    Ranking,
    Recommendation,
    Wish,
)

__all__ = ["LATER", "NAMES", "UNQUEUED", "Answer", "AnswerStream", "Api", "arguments"]

Answer = dict[str, Any]
AnswerStream = Generator[str | Answer | None]
"""Words on the progress, or None where there is nothing new, and last the answer."""


class Api:
    """The five functions over one runtime; each raises PalrError with what to do about it.

    Args:
        runtime: Catalogs, retrievers and the language model.
        on_recommendation: Called with each run that `recommend` has completed.
    """

    def __init__(
        self,
        runtime: Runtime,
        on_recommendation: Callable[[Recommendation], object] = lambda run: None,
    ) -> None:
        self._runtime = runtime
        self._on_recommendation = on_recommendation

    def search(
        self,
        query: Query,
        domain: DomainName = "movies",
        limit: Limit = 8,
        dataset: DatasetName = "",
    ) -> AnswerStream:
        """Find items of a catalog by title, whatever was typed, and get their ids."""
        catalog = self._catalog(domain, dataset)
        items = [_item(item) for item in catalog.search(query, limit)]
        yield {"dataset": catalog.dataset, "items": items}

    def profile(
        self, picks: SomePicks, domain: DomainName = "movies", dataset: DatasetName = ""
    ) -> AnswerStream:
        """Let the language model write the profile that the picks support."""
        catalog = self._catalog(domain, dataset)
        items = self._items(domain, picks)
        stream = self._runtime.recommender(domain).stream(items)
        yield "Writing the profile"
        with closing(stream):
            for trace in stream:
                if trace and "profile" in trace.seconds:
                    written = _profile(trace.profile or Profile())
                    yield {"dataset": catalog.dataset, "llm": trace.llm, **written}
                    return
                yield None

    def retrieve(
        self,
        picks: Picks = [],  # noqa: B006  # a default of JSON, never changed
        domain: DomainName = "movies",
        retriever: RetrieverName = AUTOMATIC,
        n_candidates: CandidateCount = 50,
        wish: WishText = "",
        more: Keywords = [],  # noqa: B006
        less: Keywords = [],  # noqa: B006
        years: Years = [],  # noqa: B006
        seen: OtherIds = [],  # noqa: B006
        liked: OtherIds = [],  # noqa: B006
        disliked: OtherIds = [],  # noqa: B006
        strength: Strength = 0.5,
        profile: ProfileText = "",
        keywords: ProfileKeywords = [],  # noqa: B006
        profile_weight: ProfileWeight = None,
        dataset: DatasetName = "",
    ) -> AnswerStream:
        """Retrieve the candidates for picks, wish and profile, best first, without a language
        model."""
        catalog = self._catalog(domain, dataset)
        items = self._items(domain, picks)
        yield "Searching the catalog"
        asked = Asked(
            _retriever(retriever),
            n_candidates=n_candidates,
            edits=_written(profile, keywords),
            wish=self._wish(domain, wish, more, less, years, seen, liked, disliked, strength),
            profile_weight=weight_of(profile_weight, get_domain(domain)),
        )
        found = self._runtime.recommender(domain).retrieve(items, asked)
        yield {
            "dataset": catalog.dataset,
            "retriever": found.retriever,
            "candidates": [_candidate(candidate) for candidate in found.candidates],
            "moved": [asdict(shift) for shift in found.shifts],
            "notes": [visible(note) for note in found.notes],
        }

    def rank(
        self,
        picks: Picks,
        candidates: CandidateIds,
        domain: DomainName = "movies",
        profile: ProfileText = "",
        mode: ModeName = AUTOMATIC,
        k: K = 10,
        wish: WishText = "",
        more: Keywords = [],  # noqa: B006
        less: Keywords = [],  # noqa: B006
        years: Years = [],  # noqa: B006
        seen: OtherIds = [],  # noqa: B006
        liked: OtherIds = [],  # noqa: B006
        disliked: OtherIds = [],  # noqa: B006
        strength: Strength = 0.5,
        keywords: ProfileKeywords = [],  # noqa: B006
        profile_weight: ProfileWeight = None,
        dataset: DatasetName = "",
    ) -> AnswerStream:
        """Let the language model select from candidates of your own; profile and wish steer it."""
        self._catalog(domain, dataset)
        edits = _written(profile, keywords)
        asked = Asked(
            mode=_mode(mode),
            k=k,
            with_profile=bool(edits.made),
            edits=replace(edits, candidates=tuple(i.id for i in self._items(domain, candidates))),
            wish=self._wish(domain, wish, more, less, years, seen, liked, disliked, strength),
            profile_weight=weight_of(profile_weight, get_domain(domain)),
        )
        run = yield from self._run(domain, picks, asked)
        answer = _recommendation(run)
        cuts = run.prompt.cuts if run.prompt else ()
        told = ("dataset", "llm", "adapter", "mode", "recommendations", "fallback")
        yield {
            **{name: answer[name] for name in told},
            "notes": [*answer["notes"], *map(visible, cuts)],
        }

    def recommend(
        self,
        picks: Picks = [],  # noqa: B006
        domain: DomainName = "movies",
        retriever: RetrieverName = AUTOMATIC,
        mode: ModeName = AUTOMATIC,
        n_candidates: CandidateCount = 50,
        k: K = 10,
        wish: WishText = "",
        more: Keywords = [],  # noqa: B006
        less: Keywords = [],  # noqa: B006
        years: Years = [],  # noqa: B006
        seen: OtherIds = [],  # noqa: B006
        liked: OtherIds = [],  # noqa: B006
        disliked: OtherIds = [],  # noqa: B006
        strength: Strength = 0.5,
        profile: ProfileText = "",
        keywords: ProfileKeywords = [],  # noqa: B006
        profile_weight: ProfileWeight = None,
        trace: WithTrace = False,
        dataset: DatasetName = "",
    ) -> AnswerStream:
        """Recommend from picks, a wish or both: profile, candidates and the model's ranking."""
        self._catalog(domain, dataset)
        asked = Asked(
            *(_retriever(retriever), _mode(mode), n_candidates, k),
            edits=Edits(profile or None, tuple(keywords) or None),
            wish=self._wish(domain, wish, more, less, years, seen, liked, disliked, strength),
            profile_weight=weight_of(profile_weight, get_domain(domain)),
        )
        run = yield from self._run(domain, picks, asked, self._runtime.settings.llm_seconds)
        self._on_recommendation(run)
        answer = _recommendation(run)
        if trace:
            answer["trace"] = SavedTrace(self._runtime.origin(domain), run).to_dict()
        yield answer

    def _run(
        self, domain: str, picks: Sequence[str], asked: Asked, patience: float | None = None
    ) -> Generator[str | Answer | None, None, Recommendation]:
        """Run the data path as the page does, and return the complete trace."""
        run = None
        recommender = self._runtime.recommender(domain)
        stream = recommender.stream(self._items(domain, picks), asked, patience=patience)
        with closing(stream):
            for grown in stream:
                run = grown or run
                yield _stage(grown) if grown else None
        assert run is not None
        return run

    def _catalog(self, domain: str, dataset: str = "") -> Catalog:
        """The catalog; raises PalrError where the ids that are asked with are of another one."""
        catalog = self._runtime.catalog(get_domain(domain).key)
        if dataset not in ("", catalog.dataset):
            raise PalrError(
                f"the data set here is {catalog.dataset}, and not {visible(dataset)}, so that ids "
                "are other items: find them with search"
            )
        return catalog

    def _wish(
        self,
        domain: str,
        words: str,
        more: Sequence[str],
        less: Sequence[str],
        years: Sequence[int],
        seen: Sequence[str],
        liked: Sequence[str],
        disliked: Sequence[str],
        strength: float,
    ) -> Wish:
        if len(years) not in (0, 2):
            raise PalrError("years takes two numbers, the first and the last year, or none")
        self._items(domain, [*seen, *liked, *disliked])  # an id with a slip would do nothing
        return Wish(
            tuple(more),
            tuple(less),
            (years[0], years[1]) if years else None,
            seen=tuple(seen),
            liked=tuple(liked),
            disliked=tuple(disliked),
            words=words,
            strength=strength,
        )

    def _items(self, domain: str, ids: Sequence[str]) -> list[Item]:
        catalog, items, unknown = self._catalog(domain), [], []
        for item_id in ids:
            try:
                items.append(catalog.item(item_id))
            except UnknownItemError:
                unknown.append(visible(item_id))
        if unknown:
            meant = "".join(_meant(catalog, text) for text in unknown[:MOST_NAMED])
            raise PalrError(
                f"not in the catalog of {catalog.domain.nouns}: {named(unknown)}{meant}"
            )
        return items


def _meant(catalog: Catalog, text: str) -> str:
    """The ids to write in the place of a title."""
    if text.isdecimal():
        return ""
    near = catalog.matches(text) or catalog.nearest(text)
    ids = " or ".join(f"{item.id} ({visible(item.label)})" for item in near[:SUGGESTIONS])
    return f"; for {text!r} write its id, {ids}" if ids else ""


def _written(profile: str, keywords: Sequence[str]) -> Edits:
    """A profile of the caller's, in the place of one that the model would write."""
    return Edits(profile, tuple(keywords)) if profile or keywords else Edits()


NAMES = ("recommend", "profile", "retrieve", "rank", "search")
LATER = 1  # the last argument, `dataset`, which older programs do not give
UNQUEUED = frozenset({"search"})  # quick, and without a model


def _retriever(name: str) -> str | None:
    return None if name == AUTOMATIC else name


def _mode(name: str) -> str | None:
    if name not in (AUTOMATIC, *MODES):
        raise PalrError(
            f"unknown mode {visible(name)!r}; there are {AUTOMATIC}, {', '.join(MODES)}"
        )
    return None if name == AUTOMATIC else name


def _stage(run: Recommendation) -> str:
    stages = {
        "candidates": "Ranking",
        "profile": "Searching the catalog",
        "history": "Writing the profile",
    }
    return next((words for stage, words in stages.items() if stage in run.seconds), "Starting")


def _item(item: Item) -> Answer:
    keywords = [visible(keyword) for keyword in item.keywords]
    return {"id": item.id, "label": visible(item.label), "keywords": keywords}


def _candidate(candidate: Candidate) -> Answer:
    return {**_item(candidate.item), "rank": candidate.rank, "score": candidate.score}


def _profile(profile: Profile) -> Answer:
    def keyword(entry: Keyword) -> Answer:
        return {"text": visible(entry.text), "picks": list(entry.support)}

    return {"profile": visible(profile.text), "keywords": [keyword(k) for k in profile.keywords]}


def _wish_read(wish: Wish) -> Answer:
    """What was asked for, words read."""
    lists = {name: list(getattr(wish, name)) for name in ("more", "less", "liked", "disliked")}
    return {**lists, "years": list(wish.years or ()), "popularity": wish.popularity}


def _recommendation(run: Recommendation) -> Answer:
    ranking = run.ranking or Ranking()
    return {
        "run_id": run.run_id,
        "dataset": run.dataset,
        "llm": run.llm,
        "adapter": run.adapter,
        "retriever": run.retriever,
        "mode": run.mode,
        **_profile(run.profile or Profile()),
        "recommendations": [
            {**_item(r.item), "rank": r.rank, "retriever_rank": r.retriever_rank}
            for r in ranking.items
        ],
        "wish": _wish_read(run.wish),
        "moved": [asdict(shift) for shift in run.shifts],
        "seconds": dict(run.seconds),
        "notes": [visible(note) for note in (*run.notes, *ranking.repairs)],
        "fallback": run.fallback,
    }
