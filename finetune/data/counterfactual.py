"""Counterfactual requests: the same history, with words beside it that ask for something else.

The profile of a history repeats what the history says, so a model that is trained on such pairs
learns to pass the words over. Here the words change while the history stays, and the teacher's
score of a candidate changes with them:

    soft'(i) = soft(i) + worth * asked(i)

Three kinds, in equal parts:

- *profile*: other keywords in the place of the history's own P. asked(i) is the difference of
  |Q ∩ K_i| / sqrt(|Q|) between the new keywords and P, where K_i are the candidate's keywords; the
  history's own profile thus asks for nothing that the history does not say.
- *wish*: the sentence that serving puts behind the profile, asking for more of some keywords and
  less of others. asked(i) is 1 where a wanted keyword is carried, less 1 where an unwanted one is.
- *steered*: the same, over candidates that were drawn with the wish (`palr.retrieval.steer`), as
  they are served.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from finetune.data.tasks import Example
from palr.domains import Domain
from palr.profile import N_KEYWORDS, supported_keywords
from palr.text import is_decade, spoken_list
from palr.types import Wish

if TYPE_CHECKING:
    from palr.catalog.catalog import Catalog

Kind = Literal["profile", "wish", "steered"]
LEAST_CARRIERS = 20  # items of a catalog that carry a keyword that is asked for
STRENGTHS = (0.2, 0.8)  # between which that of a drawn list lies
_NEGATED = 0.35  # the share of wishes with a keyword that is not wanted
_TOLD = 0.3  # the share of wishes that the profile tells too, in words of its own
_TOLD_MORE = ("Loves {}.", "Now wants only {} {nouns}.", "In the mood for {}.", "More {}, please.")
_TOLD_LESS = ("Hates {}.", "No {}, please.", "Tired of {}.", "Does not want {}.")


def counterfactuals(
    examples: Iterable[Example],
    catalog: "Catalog",
    share: float,
    worth: float,
    rng: np.random.Generator,
) -> Iterator[Example]:
    """The examples, of which ``share`` ask for something else than their history says.

    Args:
        examples: With a teacher's targets; those whose lists were drawn with a wish, a third of
            ``share``, carry it.
        catalog: Whose items are meant.
        share: From 0 to 1.
        worth: See `changed`.
        rng: Draws which ones, and the words.
    """
    steered = share / 3
    for example in examples:
        kind: Kind | None = "steered" if example.more or example.less else None
        if kind is None and rng.random() < (share - steered) / (1 - steered):
            kind = "profile" if rng.random() < 0.5 else "wish"
        yield changed(example, kind, catalog, worth, rng) if kind else example


def wishes(catalog: "Catalog", share: float, rng: np.random.Generator) -> Iterator[Wish | None]:
    """For each list that is drawn, the wish that it is drawn with, or None."""
    while True:
        yield drawn_wish(catalog, rng) if rng.random() < share / 3 else None


def drawn_wish(catalog: "Catalog", rng: np.random.Generator) -> Wish:
    """A wish for keywords that the catalog has items enough for, of a random strength."""
    counts = catalog.keyword_counts
    pool = [word for word, n in counts.items() if n >= LEAST_CARRIERS and not is_decade(word)]
    wish = _wish(sorted(pool or counts), rng)
    return replace(wish, strength=round(float(rng.uniform(*STRENGTHS)), 2))


def changed(
    example: Example, kind: Kind, catalog: "Catalog", worth: float, rng: np.random.Generator
) -> Example:
    """The example with other words beside its history, and with what they are worth.

    Args:
        example: With a teacher's targets; of the kind *steered*, with the wish of its list.
        kind: What changes.
        catalog: Whose items are meant.
        worth: What is added to the score of a candidate that is asked for.
        rng: Draws the words.
    """
    listed = [catalog.item(item).keywords for item in example.candidates]
    words = _telling(listed)
    if kind != "steered" and not words:
        return example  # nothing tells the candidates apart
    if kind == "profile":
        own = tuple(supported_keywords([catalog.item(i) for i in example.history], catalog))
        example = replace(example, keywords=_others(words, own[:N_KEYWORDS], rng))
        asked = [_worth(k, example.keywords) - _worth(k, own[:N_KEYWORDS]) for k in listed]
    else:
        if kind == "wish":
            wish = _wish(words, rng)
            example = replace(example, more=wish.more, less=wish.less)
        if rng.random() < _TOLD:
            example = replace(example, text=_told(example, catalog.domain, rng))
        asked = [_carried(k, example.more) - _carried(k, example.less) for k in listed]
    soft = (s + worth * a for s, a in zip(example.soft, asked, strict=True))
    return replace(example, soft=tuple(round(value, 4) for value in soft))


def _telling(listed: Sequence[Sequence[str]]) -> list[str]:
    """Keywords that some of the candidates carry and some do not, decades aside."""
    counts: dict[str, int] = {}
    for keywords in listed:
        for word in set(keywords):
            counts[word] = counts.get(word, 0) + 1
    return sorted(w for w, n in counts.items() if n < len(listed) and not is_decade(w))


def _wish(words: Sequence[str], rng: np.random.Generator) -> Wish:
    """One or two keywords that are wanted, or one that is not, or both."""
    order = [words[at] for at in rng.permutation(len(words))]
    less = tuple(order[:1]) if rng.random() < _NEGATED else ()
    if less and rng.random() < 0.5:
        return Wish(less=less)
    n = 2 if rng.random() < 0.25 else 1
    return Wish(more=tuple(order[len(less) : len(less) + n]), less=less)


def _others(words: Sequence[str], own: Sequence[str], rng: np.random.Generator) -> tuple[str, ...]:
    """One to five keywords, some of them the history's own."""
    n = int(rng.integers(1, N_KEYWORDS + 1))
    new = [words[at] for at in rng.permutation(len(words)) if words[at] not in own]
    kept = [word for word in own if rng.random() < 0.3]
    chosen = [*new[: max(n - len(kept), 1)], *kept][:n]
    return tuple(chosen[at] for at in rng.permutation(len(chosen)))


def _worth(carried: Sequence[str], asked: Sequence[str]) -> float:
    """|asked ∩ carried| / sqrt(|asked|).

    >>> _worth(("war", "drama"), ("war", "crime", "horror", "drama"))
    1.0
    """
    return len(set(carried) & set(asked)) / math.sqrt(len(asked)) if asked else 0.0


def _carried(carried: Sequence[str], asked: Sequence[str]) -> int:
    return int(not set(carried).isdisjoint(asked))


def _told(example: Example, domain: Domain, rng: np.random.Generator) -> str:
    """The wish as a visitor may write it into the profile."""

    def drawn(ways: Sequence[str], words: Sequence[str]) -> str:
        way = ways[int(rng.integers(len(ways)))]
        return way.format(spoken_list(words), nouns=domain.nouns) if words else ""

    return " ".join(
        part for part in (drawn(_TOLD_MORE, example.more), drawn(_TOLD_LESS, example.less)) if part
    )
