"""The records that travel down the data path, from picks to ranking.

They hold plain values only, so that a whole run can be compared, logged and written as JSON:

>>> Item("1", "Toy Story", year=1995).label
'Toy Story (1995)'
>>> Item("PB0001", "Nail Lacquer, Big Apple Red", brand="OPI", size="0.5 fl oz").label
'OPI Nail Lacquer, Big Apple Red, 0.5 fl oz'
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter


@dataclass(frozen=True)
class Item:
    """One film or product of a catalog.

    ``title`` is in display order ("The Matrix", not "Matrix, The") and carries no year;
    ``popularity`` is the number of users who interacted with the item, 0 where the catalog
    has no interactions.
    """

    id: str
    title: str
    year: int | None = None
    brand: str | None = None
    size: str | None = None
    keywords: tuple[str, ...] = ()
    popularity: int = 0

    @cached_property
    def label(self) -> str:
        """The name that people and prompts see."""
        brand = f"{self.brand} " if self.brand and not _starts_with(self.title, self.brand) else ""
        year = f" ({self.year})" if self.year else ""
        size = f", {self.size}" if self.size else ""
        return f"{brand}{self.title}{year}{size}"


def _starts_with(title: str, brand: str) -> bool:
    return title.casefold().startswith(brand.casefold())


@dataclass(frozen=True)
class Candidate:
    """An item that a retriever proposes; ``rank`` counts from 1, higher ``score`` is better."""

    item: Item
    rank: int
    score: float


@dataclass(frozen=True)
class Keyword:
    """A keyword of the profile with the picks that carry it.

    ``logprob`` is the LLM's log-probability of choosing it among the supported keywords that
    remained, or None where the backend reports no probabilities.
    """

    text: str
    support: tuple[str, ...]
    logprob: float | None = None


Part = Literal["instruction", "history", "profile", "candidates", "frame", "edited"]


@dataclass(frozen=True)
class Segment:
    """A stretch of a prompt; ``part`` says which stage of the data path it comes from.

    ``tokens`` is its length by itself, None before a model has seen it.
    """

    part: Part
    text: str
    tokens: int | None = None


@dataclass(frozen=True)
class Prompt:
    """A natural-language prompt in its parts, and what had to be cut to fit the context.

    ``rendered`` is the text exactly as the model received it, chat markup included.
    """

    segments: tuple[Segment, ...]
    cuts: tuple[str, ...] = ()
    rendered: str = ""
    tokens: int | None = None

    @property
    def text(self) -> str:
        return "".join(segment.text for segment in self.segments)

    @property
    def beginning(self) -> str:
        """The text up to the history's end: what the picks alone decide."""
        parts = [segment.part for segment in self.segments]
        end = parts.index("history") + 1 if "history" in parts else 0
        return "".join(segment.text for segment in self.segments[:end])


@dataclass(frozen=True)
class Profile:
    """The natural-language user profile (paper, section 3.1).

    ``raw`` is the model's output before anything unsupported was removed; ``repairs`` says what
    was removed and why.
    """

    keywords: tuple[Keyword, ...] = ()
    text: str = ""
    prompt: Prompt | None = None
    raw: str = ""
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True)
class RankedItem:
    """A recommendation; ``logprob`` as in `Keyword`, over the candidates that remained."""

    item: Item
    rank: int
    retriever_rank: int
    logprob: float | None = None

    @property
    def movement(self) -> int:
        """Places gained against the retriever's order; negative when the item fell."""
        return self.retriever_rank - self.rank


@dataclass(frozen=True)
class Ranking:
    """What the LLM selected, best first, and the output it was read from."""

    items: tuple[RankedItem, ...] = ()
    raw: str = ""
    repairs: tuple[str, ...] = ()
    forward_passes: int | None = None


@dataclass(frozen=True)
class Edits:
    """What a visitor puts in place of what a stage gave; None leaves it alone.

    ``profile`` is the profile's text, ``candidates`` are ids in order. ``prompt`` is the whole
    prompt as it is before chat markup: whatever it says, only the candidates can be recommended.
    """

    profile: str | None = None
    keywords: tuple[str, ...] | None = None
    instruction: str | None = None
    candidates: tuple[str, ...] | None = None
    prompt: str | None = None

    @property
    def made(self) -> tuple[str, ...]:
        """Names of what was edited.

        >>> Edits(keywords=(), prompt="Hello").made
        ('keywords', 'prompt')
        """
        return tuple(f.name for f in fields(self) if getattr(self, f.name) is not None)


@dataclass(frozen=True)
class Wish:
    """What was asked for beyond the picks; `palr.wish.check` says what it may hold.

    ``more`` and ``less`` are keywords of the catalog, ``years`` from and to, both included.
    ``popularity`` runs from -1, little known, to +1, well known, 0 for either; ``variety`` from 0
    to 1. ``seen``, ``liked`` and ``disliked`` are item ids; ``words`` is the free text as typed.
    ``strength`` is how much all of it counts, from 0 to 1. An empty wish is false, however strong:

    >>> bool(Wish(strength=1.0)), bool(Wish(less=("horror",)))
    (False, True)
    """

    more: tuple[str, ...] = ()
    less: tuple[str, ...] = ()
    years: tuple[int, int] | None = None
    popularity: float = 0.0
    variety: float = 0.0
    seen: tuple[str, ...] = ()
    liked: tuple[str, ...] = ()
    disliked: tuple[str, ...] = ()
    words: str = ""
    strength: float = 0.5

    def __bool__(self) -> bool:
        return replace(self, strength=0.5, words=self.words.strip()) != Wish()


Ranker = Literal["llm", "mix", "retriever"]


@dataclass(frozen=True)
class Asked:
    """How a run is asked for: with the same picks they give the same run again.

    ``retriever`` and ``mode`` are names of `RETRIEVERS` and `MODES`, None for the configured or
    the adapter's own; ``adapter`` is one of `Runtime.adapters`, None for the configured one.
    ``n_candidates`` are retrieved (paper, section 4.2: the top 50 of SASRec), ``k`` recommended.

    ``ranker`` says whose order it is: the language model's, the retriever's own, or a mix of both
    scores. The prompts show the last ``n_history`` picks, and the profile where ``with_profile``.
    """

    retriever: str | None = None
    mode: str | None = None
    n_candidates: int = 50
    k: int = 10
    adapter: str | None = None
    ranker: Ranker = "llm"
    n_history: int = 20
    with_profile: bool = True
    edits: Edits = Edits()
    own_items: Annotated[tuple[Item, ...], Field(alias="newcomers")] = ()  # its name in files


@dataclass(frozen=True)
class Recommendation:
    """The trace: every intermediate value of one run, in the order of the data path.

    While a run is under way the later fields are None; `Recommender.stream` yields the record
    anew each time it grows. ``seconds`` has one entry for each finished stage, and ``total``.
    ``prior`` is what the retriever's scores count in the model's, which are brought to the standard
    deviation ``spread`` before, where it is not 0 (`palr.ranking.mix.on_prior`).
    ``asked`` are what was asked for. ``run_id`` names the run in logs. ``fallback`` says why the
    language model did not do its part, so that the ranking is the retriever's own order; empty
    where it did.
    """

    domain: str
    dataset: str
    picks: tuple[Item, ...]
    history: tuple[Item, ...] = ()
    profile: Profile | None = None
    retriever: str | None = None
    candidates: tuple[Candidate, ...] | None = None
    llm: str | None = None
    adapter: str | None = None
    prior: float = 0.0
    spread: float = 0.0
    mode: str = "titles"
    prompt: Prompt | None = None
    ranking: Ranking | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    run_id: str = ""
    fallback: str = ""
    asked: Asked = Asked()

    def to_json(self, indent: int | None = 2) -> str:
        return _TRACE.dump_json(self, indent=indent, by_alias=True).decode()

    @staticmethod
    def from_json(text: str | bytes) -> "Recommendation":
        """Read a trace back; raises pydantic's ValidationError where it is not one."""
        return _TRACE.validate_json(text)


_TRACE: TypeAdapter[Recommendation] = TypeAdapter(Recommendation)
