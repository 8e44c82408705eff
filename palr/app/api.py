"""What programs can ask for: five functions with typed inputs, the same for every way to call them.

A function's signature is its contract: `arguments` makes a strict pydantic model of it, which the
gate checks calls by and which MCP clients see as JSON schema. Each yields words on its progress, or
None where it can be stopped and has nothing new, and last its answer.

>>> sorted(arguments(Api.search).model_json_schema()["properties"])
['domain', 'limit', 'query']
"""

import inspect
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Annotated, Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model

from palr.app.runtime import Runtime
from palr.domains import DOMAINS, get_domain
from palr.edits import MAX_CANDIDATES as MAX_LISTED
from palr.edits import MAX_PROFILE
from palr.errors import PalrError, UnknownItemError
from palr.ranking import MODES
from palr.retrieval import RETRIEVERS
from palr.runs.files import SavedTrace, named
from palr.text import visible
from palr.types import Asked, Candidate, Edits, Item, Keyword, Profile, Recommendation, Wish
from palr.wish.checks import MAX_WORDS

MAX_PICKS = 1000
MAX_CANDIDATES = 200
AUTOMATIC = "auto"

Id = Annotated[str, Field(min_length=1, max_length=64)]
Ids = list[Id]
Picks = Annotated[
    Ids,
    Field(
        min_length=1,
        max_length=MAX_PICKS,
        description="Ids of items watched or bought, oldest first; `search` finds ids.",
    ),
]
CandidateIds = Annotated[
    Ids,
    Field(min_length=2, max_length=MAX_LISTED, description="Ids to rank, best guess first."),
]
DomainName = Annotated[
    str, Field(max_length=64, description=f"The catalog: {' or '.join(DOMAINS)}.")
]
RetrieverName = Annotated[
    str, Field(max_length=64, description=f"{AUTOMATIC}, or one of: {', '.join(RETRIEVERS)}.")
]
ModeName = Annotated[
    str, Field(max_length=64, description=f"{AUTOMATIC}, or one of: {', '.join(MODES)}.")
]
CandidateCount = Annotated[
    int, Field(ge=1, le=MAX_CANDIDATES, description="Candidates to retrieve.")
]
K = Annotated[int, Field(ge=1, le=MAX_CANDIDATES, description="Recommendations to make.")]
Limit = Annotated[int, Field(ge=1, le=50, description="Most items to return.")]
Query = Annotated[str, Field(max_length=200, description="Part of a title, typos allowed.")]
ProfileText = Annotated[
    str, Field(max_length=MAX_PROFILE, description="A profile in words; empty to rank without one.")
]
WishText = Annotated[
    str, Field(max_length=MAX_WORDS, description="A wish in words: 'less drama, more laughs'.")
]
Keywords = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=64)]],
    Field(max_length=40, description="Keywords of the catalog."),
]
Years = Annotated[
    list[int], Field(max_length=2, description="First and last year, both included; empty for any.")
]
OtherIds = Annotated[Ids, Field(max_length=MAX_PICKS, description="Ids of items.")]
Strength = Annotated[float, Field(ge=0, le=1, description="How much a wish counts, from 0 to 1.")]
WithTrace = Annotated[bool, Field(description="Whether to add the whole run, prompts included.")]

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
        on_recommendation: Callable[[Recommendation], None] = lambda run: None,
    ) -> None:
        self._runtime = runtime
        self._on_recommendation = on_recommendation

    def search(self, query: Query, domain: DomainName = "movies", limit: Limit = 8) -> AnswerStream:
        """Find items of a catalog by title, whatever was typed, and get their ids."""
        yield {"items": [_item(item) for item in self._catalog(domain).search(query, limit)]}

    def profile(self, picks: Picks, domain: DomainName = "movies") -> AnswerStream:
        """Let the language model write the profile that the picks support."""
        items = self._items(domain, picks)
        stream = self._runtime.recommender(domain).stream(items)
        yield "Writing the profile"
        with closing(stream):
            for trace in stream:
                if trace and "profile" in trace.seconds:
                    yield {"llm": trace.llm, **_profile(trace.profile or Profile())}
                    return
                yield None

    def retrieve(
        self,
        picks: Picks,
        domain: DomainName = "movies",
        retriever: RetrieverName = AUTOMATIC,
        n_candidates: CandidateCount = 50,
        wish: WishText = "",
        more: Keywords = [],  # noqa: B006  # a default of JSON, never changed
        less: Keywords = [],  # noqa: B006
        years: Years = [],  # noqa: B006
        seen: OtherIds = [],  # noqa: B006
        liked: OtherIds = [],  # noqa: B006
        disliked: OtherIds = [],  # noqa: B006
        strength: Strength = 0.5,
    ) -> AnswerStream:
        """Retrieve the candidates for picks and a wish, best first, without a language model."""
        items = self._items(domain, picks)
        yield "Searching the catalog"
        asked = Asked(
            _retriever(retriever),
            n_candidates=n_candidates,
            wish=_wish(wish, more, less, years, seen, liked, disliked, strength),
        )
        found = self._runtime.recommender(domain).retrieve(items, asked)
        yield {
            "retriever": found.retriever,
            "candidates": [_candidate(candidate) for candidate in found.candidates],
            "moved": [asdict(shift) for shift in found.shifts],
            "notes": list(found.notes),
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
        strength: Strength = 0.5,
    ) -> AnswerStream:
        """Let the language model select from candidates of your own; profile and wish steer it."""
        edits = Edits(
            profile, keywords=(), candidates=tuple(i.id for i in self._items(domain, candidates))
        )
        wished = _wish(wish, more, less, [], [], [], [], strength)
        asked = Asked(mode=_mode(mode), k=k, with_profile=bool(profile), edits=edits, wish=wished)
        run = yield from self._run(domain, picks, asked)
        answer = _recommendation(run)
        cuts = run.prompt.cuts if run.prompt else ()
        repairs = run.ranking.repairs if run.ranking else ()
        yield {
            **{name: answer[name] for name in ("llm", "adapter", "mode", "recommendations")},
            "notes": [*run.notes, *cuts, *repairs],
        }

    def recommend(
        self,
        picks: Picks,
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
        trace: WithTrace = False,
    ) -> AnswerStream:
        """Recommend from the picks and a wish: profile, candidates and the model's ranking."""
        wished = _wish(wish, more, less, years, seen, liked, disliked, strength)
        asked = Asked(_retriever(retriever), _mode(mode), n_candidates, k, wish=wished)
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

    def _catalog(self, domain: str) -> Any:
        return self._runtime.catalog(get_domain(domain).key)

    def _items(self, domain: str, ids: Sequence[str]) -> list[Item]:
        catalog, items, unknown = self._catalog(domain), [], []
        for item_id in ids:
            try:
                items.append(catalog.item(item_id))
            except UnknownItemError:
                unknown.append(visible(item_id))
        if unknown:
            raise PalrError(f"not in the catalog of {catalog.domain.nouns}: {named(unknown)}")
        return items


def _wish(
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
    span = (years[0], years[1]) if years else None
    return Wish(
        tuple(more),
        tuple(less),
        span,
        seen=tuple(seen),
        liked=tuple(liked),
        disliked=tuple(disliked),
        words=words,
        strength=strength,
    )


NAMES = ("recommend", "profile", "retrieve", "rank", "search")
UNQUEUED = frozenset({"search"})  # quick, and without a model


def arguments(function: Callable[..., Any]) -> type[BaseModel]:
    """A pydantic model of a function's arguments.

    It takes the exact types within their bounds, and no other argument.
    """
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {
        name: (hints[name], ... if parameter.default is parameter.empty else parameter.default)
        for name, parameter in inspect.signature(function).parameters.items()
        if name != "self"
    }
    config = ConfigDict(strict=True, extra="forbid")
    name = f"{function.__name__.capitalize()}Arguments"
    return create_model(name, __config__=config, **fields)


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


def _recommendation(run: Recommendation) -> Answer:
    ranked = run.ranking.items if run.ranking else ()
    return {
        "run_id": run.run_id,
        "llm": run.llm,
        "adapter": run.adapter,
        "retriever": run.retriever,
        "mode": run.mode,
        **_profile(run.profile or Profile()),
        "recommendations": [
            {**_item(r.item), "rank": r.rank, "retriever_rank": r.retriever_rank} for r in ranked
        ],
        "seconds": dict(run.seconds),
        "notes": list(run.notes),
        "fallback": run.fallback,
    }
