"""What a wish may hold; each error says what to change."""

from palr.errors import PalrError
from palr.types import Wish

MAX_WORDS = 5_000
MAX_KEYWORDS = 40  # on either side
MAX_KEYWORD = 60
MAX_ITEMS = 1_000  # seen, liked or disliked
FIRST_YEAR, LAST_YEAR = 1800, 2200


class WishError(PalrError):
    """A wish that cannot be followed; the text says what to change."""


def check(wish: Wish) -> None:
    """Raises WishError where a wish is too long, contradicts itself or leaves its bounds."""
    check_words(wish.words)
    if not 0 <= wish.strength <= 1:
        raise WishError(f"the strength is {wish.strength:g}: choose one from 0 to 1")
    if not 0 <= wish.variety <= 1:
        raise WishError(f"the variety is {wish.variety:g}: choose one from 0 to 1")
    if not -1 <= wish.popularity <= 1:
        raise WishError(
            f"the popularity is {wish.popularity:g}: "
            "choose one from -1, little known, to 1, well known"
        )
    if wish.years is not None:
        _check_years(*wish.years)
    for side, keywords in (("more", wish.more), ("less", wish.less)):
        if len(keywords) > MAX_KEYWORDS:
            raise WishError(
                f"{len(keywords)} keywords to see {side} of: choose {MAX_KEYWORDS} at most"
            )
        if any(not word.strip() or len(word) > MAX_KEYWORD for word in keywords):
            raise WishError(
                f"a keyword has 1 to {MAX_KEYWORD} characters: mend those to see {side} of"
            )
    for name in ("seen", "liked", "disliked"):
        if len(getattr(wish, name)) > MAX_ITEMS:
            raise WishError(
                f"{len(getattr(wish, name)):,} items {name}: name {MAX_ITEMS:,} at most"
            )
    if both := sorted(set(wish.more) & set(wish.less)):
        raise WishError(f"{both[0]} is wanted both more and less: take it off one side")
    if set(wish.liked) & set(wish.disliked):
        raise WishError("an item is both liked and disliked: take it off one side")


def check_words(text: str) -> None:
    """Raises WishError where the free words are too long."""
    if len(text) > MAX_WORDS:
        raise WishError(f"the wish has {len(text):,} characters: shorten it to {MAX_WORDS:,}")


def _check_years(first: int, last: int) -> None:
    if first > last:
        raise WishError(f"the years run backwards, {first} to {last}: put the earlier one first")
    if first < FIRST_YEAR or last > LAST_YEAR:
        raise WishError(f"years lie between {FIRST_YEAR} and {LAST_YEAR}: {first} to {last} do not")
