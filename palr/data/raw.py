"""What a reader gives: items and interactions as the source has them."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from sys import intern
from typing import TypeVar

import numpy as np

from palr.data.checks import check_items
from palr.data.interactions import Interactions
from palr.data.sources import malformed
from palr.errors import DataError
from palr.types import Item

# The last three where a literal is nested too deep, or a number too large.
_UNFIT = (
    *(ValueError, LookupError, TypeError, SyntaxError),
    *(MemoryError, RecursionError, OverflowError),
)
_Entry = TypeVar("_Entry", str, list[str])


@dataclass(frozen=True)
class RawDataset:
    """Items and interactions as the source has them, before any preprocessing.

    Attributes:
        items: All items; ``items[i].id`` is ``interactions.item_ids[i]``.
        interactions: All interactions, or None where the source has none.
        checksum: Of the source files; `palr.data.datasets.read` fills it in.
    """

    items: tuple[Item, ...]
    interactions: Interactions | None
    checksum: str = ""


class Rows:
    """Interactions while they are being read."""

    def __init__(self) -> None:
        self.users: list[str] = []
        self.items: list[str] = []
        self.times: list[float] = []

    def add(self, user: object, item: object, time: object) -> None:
        """Add one; raises ValueError where an id or the time is none."""
        if isinstance(time, bool) or not isinstance(time, int | float) or not math.isfinite(time):
            raise ValueError("no time")
        # Names come again and again: each is kept once.
        self.users.append(intern(checked_id(user)))
        self.items.append(intern(checked_id(item)))
        self.times.append(float(time))


def checked_id(value: object) -> str:
    """An id; raises ValueError where it is no text, empty, or cannot be printed."""
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError("no id")
    return value


def number(text: str) -> float:
    """A finite number, with a decimal comma too; raises ValueError where it is none."""
    value = float(text.replace(",", "."))
    if not math.isfinite(value):
        raise ValueError("not finite")
    return value


def each(
    entries: Iterator[tuple[int, _Entry]],
    use: Callable[[_Entry], None],
    name: str,
    expected: str,
) -> None:
    """Use every line or row of a file; DataError names the one that does not fit."""
    for at, entry in entries:
        try:
            use(entry)
        except _UNFIT as error:
            shown = entry if isinstance(entry, str) else ",".join(entry)
            raise malformed(name, at, expected, shown) from error


def distinct(words: Iterable[str]) -> tuple[str, ...]:
    """The words in their order, each once, and no empty one."""
    return tuple(dict.fromkeys(word for word in words if word))


def raw_dataset(
    items_file: str,
    items: Sequence[Item],
    rows_file: str = "",
    rows: Rows | None = None,
    vouched: bool = False,
) -> RawDataset:
    """Count popularity, and bring items and item indices into one order.

    Args:
        items_file: Name of the file of items, for errors.
        items: The items that were read; the first of each id counts.
        rows_file: Name of the file of interactions.
        rows: The interactions; None where the source has none.
        vouched: See `palr.data.checks.check_items`.

    Raises:
        DataError: there are no items, or they do not look as items should; or no interaction is
            with any of them.
    """
    known: dict[str, Item] = {}
    for item in items:
        known.setdefault(item.id, item)
    check_items(items_file, tuple(known.values()), vouched)
    if rows is None:
        return RawDataset(tuple(known.values()), None)
    interactions = Interactions.from_rows(rows.users, rows.items, rows.times)
    counts = interactions.popularity
    if not counts.keys() & known.keys():
        raise DataError(
            f"{rows_file} names no item of {items_file}: one of them is empty, or of another data "
            "set; fetch both again"
        )
    ordered = [replace(item, popularity=counts.get(item.id, 0)) for item in known.values()]
    ordered += [
        Item(id, id, popularity=counts[id]) for id in interactions.item_ids if id not in known
    ]
    position = {item.id: index for index, item in enumerate(ordered)}
    recode = np.array([position[id] for id in interactions.item_ids], dtype=np.int64)
    return RawDataset(
        tuple(ordered),
        replace(interactions, items=recode[interactions.items], item_ids=tuple(position)),
    )
