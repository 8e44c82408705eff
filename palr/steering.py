"""What steers a run: the wish of a visitor, their own words in the profile, and the profile itself.

The paper filters candidates "based on the user profile" (section 1) and lets the LLM select those
that fit it best (section 2.1). `palr.retrieval.steer` moves the scores; here it is decided by what.
"""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from palr.catalog.catalog import Catalog
from palr.domains import Domain
from palr.errors import PalrError
from palr.profile import taste_of
from palr.prompts import shorten, wish_text
from palr.retrieval.steer import NO_TASTE, Taste
from palr.text import sentences, spoken_list
from palr.types import NO_WISH, Asked, Item, Profile, Wish
from palr.wish import Reading, WishError, read_wish
from palr.wish import check as check_wish

Read = Callable[[str], Reading]
_UNREAD, _WORD = 8, 40  # words that a note names, and characters of each


@dataclass(frozen=True)
class Steering:
    """What moves the candidates of a run.

    Attributes:
        wish: What is asked for, words read.
        taste: What the profile says.
        notes: How words were read, where that needs saying.
    """

    wish: Wish = NO_WISH
    taste: Taste = NO_TASTE
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.wish or self.taste)


def profile_weight(given: float | None, domain: Domain) -> float:
    """How much the profile counts: what was given, or else the domain's own weight.

    >>> from palr.domains import MOVIES
    >>> profile_weight(None, MOVIES), profile_weight(0.0, MOVIES)
    (0.4, 0.0)
    """
    return domain.profile_weight if given is None else given


def check(asked: Asked, n_picks: int, domain: Domain) -> None:
    """Whether a run can be asked for so.

    Args:
        asked: With the wish and the weight of the profile.
        n_picks: How many picks there are; without any, a wish is needed.
        domain: Whose nouns the message uses.

    Raises:
        PalrError: nothing is asked for, or not within the bounds; the text says what to change.
    """
    if not n_picks and not asked.wish:
        raise PalrError(f"pick at least one {domain.noun}, or say what you would like")
    check_wish(asked.wish)
    if not 0 <= asked.profile_weight <= 1:
        raise WishError(
            f"the weight of the profile is {asked.profile_weight:g}: choose one from 0 to 1"
        )


def wish_in_prompt(wish: Wish, profile: Profile | None, domain: Domain) -> str:
    """The sentence of the ranking prompt on a wish; empty where the profile is that sentence, as
    it is of a visitor who picked nothing. At strength 0 only years count."""
    if not wish.strength:
        wish = replace(wish, more=(), less=(), popularity=0.0)
    text = wish_text(domain, wish)
    return "" if profile and profile.text == text else text


def ruled_out(item: Item, wish: Wish, dated: bool = True) -> str:
    """Which part of a wish rules an item out: "seen", "disliked" or "years"; empty for none.

    Args:
        item: An item of the catalog.
        wish: As it was read.
        dated: Whether the catalog's items have years; where they have none, years rule out nothing.
    """
    if item.id in wish.seen:
        return "seen"
    if item.id in wish.disliked:
        return "disliked"
    if wish.years and dated and not wish.years[0] <= (item.year or 0) <= wish.years[1]:
        return "years"
    return ""


def steering(
    asked: Asked, profile: Profile, n_picks: int, catalog: Catalog, read: Read | None = None
) -> Steering:
    """What a run is steered by.

    Args:
        asked: With the wish, and with the visitor's edits of the profile: keywords that no pick
            carries, and sentences that the model did not write, are read as wishes.
        profile: As the ranking prompt will show it.
        n_picks: How many picks it was written from.
        catalog: Whose keywords are meant.
        read: Reads words; without it, they are read without the sentence model.
    """
    wish, notes = _known(asked.wish, catalog)
    added = [k.text for k in profile.keywords if not k.support] if asked.edits.keywords else []
    known = [word for word in added if word in catalog.keyword_counts and word not in wish.less]
    wish = replace(wish, more=_union(wish.more, known))
    for text in (asked.wish.words, _own_words(asked.edits.profile or "", profile)):
        if text.strip():
            reading = read(text) if read else read_wish(text, catalog)
            wish = with_reading(wish, reading)
            notes += reading.notes
            notes += _not_read(reading, catalog)
    return Steering(wish, taste_of(profile, n_picks, asked.profile_weight), tuple(notes))


def _not_read(reading: Reading, catalog: Catalog) -> list[str]:
    """Notes on what words did not say."""
    notes = []
    if reading.unread:
        words = ", ".join(shorten(word, _WORD) for word in reading.unread[:_UNREAD])
        notes.append(f"not understood in the wish: {words}")
    if not any((reading.more, reading.less, reading.years, reading.popularity)) and not (
        reading.liked or reading.disliked
    ):
        notes.append(f"nothing was read from the words: name keywords, such as {_usual(catalog)}")
    return notes


def _usual(catalog: Catalog) -> str:
    """A few of the catalog's most common keywords."""
    return spoken_list(catalog.common_keywords(3))


def _own_words(text: str, profile: Profile) -> str:
    """The sentences that the visitor wrote: what the model had written is its profile, no wish."""
    return " ".join(s for s in sentences(text) if s not in profile.raw)


def _known(wish: Wish, catalog: Catalog) -> tuple[Wish, list[str]]:
    """The wish with keywords as the catalog spells them, and notes on those that it lacks."""
    spelt = {keyword.casefold(): keyword for keyword in catalog.keyword_counts}
    notes: list[str] = []

    def found(words: Sequence[str]) -> tuple[str, ...]:
        names = []
        for word in words:
            if (name := spelt.get(word.casefold().strip())) is not None:
                names.append(name)
                continue
            near = difflib.get_close_matches(word.casefold(), spelt, n=1, cutoff=0.5)
            hint = f"; the nearest is {spelt[near[0]]!r}" if near else f": try {_usual(catalog)}"
            notes.append(f"the catalog has no keyword {word!r}{hint}")
        return tuple(names)

    return replace(wish, more=found(wish.more), less=found(wish.less)), notes


def with_reading(wish: Wish, reading: Reading) -> Wish:
    """The wish with what its words say; what was chosen without words comes first."""
    return replace(
        wish,
        more=_union(wish.more, [k for k in reading.more if k not in wish.less]),
        less=_union(wish.less, [k for k in reading.less if k not in wish.more]),
        years=wish.years or reading.years,
        popularity=wish.popularity or float(reading.popularity),
        liked=_union(wish.liked, [i for i in reading.liked if i not in wish.disliked]),
        disliked=_union(wish.disliked, [i for i in reading.disliked if i not in wish.liked]),
    )


def _union(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))
