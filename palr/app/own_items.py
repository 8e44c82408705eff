"""What each visitor has brought in this session: in memory only, and seen by nobody else."""

import threading
from collections import OrderedDict

from palr.catalog.own_items import MAX_ITEMS
from palr.errors import PalrError
from palr.types import Item

MAX_VISITORS = 500  # the least recently seen go first


class OwnItems:
    """What each visitor has brought. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: OrderedDict[str, dict[str, tuple[Item, ...]]] = OrderedDict()

    def of(self, visitor: str, domain: str) -> tuple[Item, ...]:
        with self._lock:
            if visitor not in self._of:
                return ()
            self._of.move_to_end(visitor)
            return self._of[visitor].get(domain, ())

    def check(self, visitor: str, domain: str, item: Item) -> None:
        """Raises PalrError where the visitor has brought too many, or the very same before."""
        brought = self.of(visitor, domain)
        if len(brought) >= MAX_ITEMS:
            raise PalrError(f"{MAX_ITEMS} items of your own are as many as fit: clear them first")
        if any(item.label.casefold() == other.label.casefold() for other in brought):
            raise PalrError(f"{item.label} is there already")

    def add(self, visitor: str, domain: str, item: Item) -> None:
        """Raises PalrError as `check` does."""
        self.check(visitor, domain, item)
        with self._lock:
            brought = self._of.setdefault(visitor, {})
            brought[domain] = (*brought.get(domain, ()), item)[:MAX_ITEMS]
            self._of.move_to_end(visitor)
            while len(self._of) > MAX_VISITORS:
                self._of.popitem(last=False)

    def clear(self, visitor: str, domain: str) -> None:
        with self._lock:
            self._of.get(visitor, {}).pop(domain, None)
