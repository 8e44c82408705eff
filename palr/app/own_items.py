"""The items that each session has added: in memory only, and seen by nobody else."""

import threading
from collections import OrderedDict

from palr.catalog.own_items import MAX_ITEMS
from palr.errors import PalrError
from palr.types import Item

MAX_SESSIONS = 500  # the least recently used go first


class OwnItems:
    """The items that each session has added, by domain. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: OrderedDict[str, dict[str, tuple[Item, ...]]] = OrderedDict()

    def of(self, session: str, domain: str) -> tuple[Item, ...]:
        """The items of a session in a domain, in the order in which they were added."""
        with self._lock:
            if session not in self._of:
                return ()
            self._of.move_to_end(session)
            return self._of[session].get(domain, ())

    def check(self, session: str, domain: str, item: Item) -> None:
        """Raises PalrError where the session has too many items, or this one already."""
        added = self.of(session, domain)
        if len(added) >= MAX_ITEMS:
            raise PalrError(f"{MAX_ITEMS} items of your own are as many as fit: clear them first")
        if any(item.label.casefold() == other.label.casefold() for other in added):
            raise PalrError(f"{item.label} is there already")

    def add(self, session: str, domain: str, item: Item) -> None:
        """Keep an item for a session; raises PalrError as `check` does."""
        self.check(session, domain, item)
        with self._lock:
            added = self._of.setdefault(session, {})
            added[domain] = (*added.get(domain, ()), item)[:MAX_ITEMS]
            self._of.move_to_end(session)
            while len(self._of) > MAX_SESSIONS:
                self._of.popitem(last=False)

    def clear(self, session: str, domain: str) -> None:
        """Forget the items of a session in a domain."""
        with self._lock:
            self._of.get(session, {}).pop(domain, None)
