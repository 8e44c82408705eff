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

    Attributes:
        id: Its id in the data set.
        title: In display order ("The Matrix", not "Matrix, The"), without the year.
        year: Year of a film.
        brand: Brand of a product.
        size: Size of a product, as the shop writes it.
        keywords: Genres, categories or tags.
        popularity: Users who interacted with it; 0 where the catalog has no interactions.
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
    """An item that a retriever proposes (paper, section 2.1).

    Attributes:
        item: The item.
        rank: Its rank by the retriever, from 1.
        score: Its score, higher is better; see `palr.retrieval.base.Retriever.score`.
        steer: The part of the score that a wish and the profile added to the retriever's own.
    """

    item: Item
    rank: int
    score: float
    steer: float = 0.0


@dataclass(frozen=True)
class Keyword:
    """A keyword of the profile.

    Attributes:
        text: The keyword.
        support: Ids of the picks that carry it.
        logprob: The LLM's log-probability of choosing it among the supported keywords that were
            left; None where the backend reports no probabilities.
    """

    text: str
    support: tuple[str, ...]
    logprob: float | None = None


Part = Literal["instruction", "history", "profile", "wish", "candidates", "frame", "edited"]


@dataclass(frozen=True)
class Segment:
    """A part of a prompt's text.

    Attributes:
        part: The stage of the data path that it comes from.
        text: Its text.
        tokens: Its length in tokens; None before a model has read it.
    """

    part: Part
    text: str
    tokens: int | None = None


@dataclass(frozen=True)
class Prompt:
    """A natural-language prompt (paper, Figures 1 and 2).

    Attributes:
        segments: Its text in parts.
        cuts: What was cut to fit the model's context, in words.
        rendered: The text exactly as the model received it, chat markup included.
        tokens: Length of ``rendered`` in tokens; None before a model has read it.
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
    """The natural-language user profile (paper, section 2.1 and Figure 2).

    Attributes:
        keywords: What the person likes, each keyword supported by picks.
        text: The same in sentences.
        prompt: What the model was asked.
        raw: Its output before anything unsupported was removed.
        repairs: What was removed, and why.
    """

    keywords: tuple[Keyword, ...] = ()
    text: str = ""
    prompt: Prompt | None = None
    raw: str = ""
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True)
class RankedItem:
    """A recommendation.

    Attributes:
        item: The item.
        rank: Its rank, from 1.
        retriever_rank: Its rank by the retriever, from 1.
        logprob: The LLM's log-probability of choosing it among the candidates that were left; None
            where the backend reports no probabilities.
    """

    item: Item
    rank: int
    retriever_rank: int
    logprob: float | None = None

    @property
    def movement(self) -> int:
        """Ranks gained over the retriever's order; negative where the item fell."""
        return self.retriever_rank - self.rank


@dataclass(frozen=True)
class Ranking:
    """The items that the LLM selected (paper, section 2.1: item recommendation).

    Attributes:
        items: The recommendations, best first.
        raw: The output that they were read from.
        repairs: What was wrong with the output, and how it was completed.
        forward_passes: Forward passes of the model; None where the backend does not count them.
        completed: How many of the items, the last ones, the retriever's order supplied.
        unusable: Why none of the output could be used; empty where some was.
    """

    items: tuple[RankedItem, ...] = ()
    raw: str = ""
    repairs: tuple[str, ...] = ()
    forward_passes: int | None = None
    completed: int = 0
    unusable: str = ""


@dataclass(frozen=True)
class Edits:
    """What a visitor puts in the place of a stage's result; None leaves the result alone.

    Attributes:
        profile: The profile's text.
        keywords: The profile's keywords.
        instruction: The prompt's instruction.
        candidates: Ids of the candidates, in order.
        prompt: The whole prompt without chat markup. Whatever it says, only the candidates can be
            recommended.
    """

    profile: str | None = None
    keywords: tuple[str, ...] | None = None
    instruction: str | None = None
    candidates: tuple[str, ...] | None = None
    prompt: str | None = None

    @property
    def made(self) -> tuple[str, ...]:
        """Names of the edited fields.

        >>> Edits(keywords=(), prompt="Hello").made
        ('keywords', 'prompt')
        """
        return tuple(f.name for f in fields(self) if getattr(self, f.name) is not None)


@dataclass(frozen=True)
class Wish:
    """What a visitor asks for beyond the picks; an empty one is false.

    Attributes:
        more: Keywords of the catalog that are wanted.
        less: Keywords of the catalog that are not.
        years: First and last year, both included; None for any.
        popularity: From -1, little known, to 1, well known.
        variety: From 0 to 1: how little the candidates may be alike.
        seen: Ids of items that must not come.
        liked: Ids of items, more of whose kind are wanted.
        disliked: Ids of items that must not come, and of whose kind fewer are wanted.
        words: The request as it was typed.
        strength: From 0 to 1: how much of the retriever's own probability the wish overrules.
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
        return replace(self, words=self.words.strip(), strength=Wish.strength) != Wish()


@dataclass(frozen=True)
class Shift:
    """One part of steering: probability that moved into a set of items, or out of it.

    Attributes:
        source: Where it comes from: a field of `Wish`, or "profile".
        name: The keyword, or the item's id.
        before: The retriever's probability of the set.
        after: What the part asks it to be.
        logit: What is added to the score of each item of the set.
    """

    source: str
    name: str
    before: float
    after: float
    logit: float


NO_WISH = Wish()
Ranker = Literal["llm", "mix", "retriever"]
Writing = Literal["auto", "grounded", "free"]
"""How a profile is written: of sentences that the picks support, in the model's own words, or the
one or the other by the size of the model."""


@dataclass(frozen=True)
class Asked:
    """The options of a run; the same picks and options give the same run again.

    Attributes:
        retriever: A key of `RETRIEVERS`; None for the configured one.
        mode: A key of `MODES`; None for the adapter's own.
        n_candidates: Candidates to retrieve; the paper takes the top 50 of SASRec (section 3.2).
        k: Items to recommend.
        adapter: One of `Runtime.adapters`; None for the configured one.
        ranker: Who ranks the candidates: the LLM, the retriever, or a mix of both scores.
        n_history: Latest picks that the prompts show (paper, section 2.2: at most 20).
        with_profile: Whether the ranking prompt shows the profile.
        edits: The visitor's edits.
        wish: What is asked for beyond the picks.
        profile_weight: From 0 to 1: how much the profile's keywords move the candidates
            (`palr.retrieval.steer`).
        writing: How the profile is written; None for the configured way.
        own_items: The visitor's own items.
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
    wish: Wish = NO_WISH
    profile_weight: float = 0.0
    writing: Writing | None = None
    own_items: Annotated[tuple[Item, ...], Field(alias="newcomers")] = ()  # its name in files


@dataclass(frozen=True)
class Recommendation:
    """The trace: every intermediate value of one run, in the order of the data path.

    While a run is under way the later fields are None; `Recommender.stream` yields the record
    anew each time it grows.

    Attributes:
        domain: Key of the domain.
        dataset: Key of the data set.
        picks: The picks, oldest first.
        history: The picks, each once, oldest first.
        profile: The profile.
        retriever: Name of the retriever that found the candidates.
        candidates: The candidates, best first.
        llm: Name of the language model.
        adapter: Name of its adapter; None without one.
        prior: Weight of the retriever's scores beside the model's (`palr.ranking.mix.ScoreMix`).
        spread: Standard deviation that the model's scores are scaled to first; 0 for none.
        mode: Name of the ranking mode.
        prompt: The ranking prompt.
        ranking: The ranking.
        seconds: Seconds of each finished stage, and their ``total``.
        notes: Remarks for the visitor.
        run_id: Names the run in logs.
        fallback: Why the retriever's order is shown: the language model failed, or nothing of its
            answer could be used. Empty where it did its part.
        asked: The options of the run.
        wish: The wish that steered the candidates, with what the visitor wrote into the profile.
        shifts: How far each part of it, and of the profile, moved the candidates.
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
    wish: Wish = NO_WISH
    shifts: tuple[Shift, ...] = ()

    def to_json(self, indent: int | None = 2) -> str:
        return _TRACE.dump_json(self, indent=indent, by_alias=True).decode()

    @staticmethod
    def from_json(text: str | bytes) -> "Recommendation":
        """Read a trace back; raises pydantic's ValidationError where it is not one."""
        return _TRACE.validate_json(text)


_TRACE: TypeAdapter[Recommendation] = TypeAdapter(Recommendation)
