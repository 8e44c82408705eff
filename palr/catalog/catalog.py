"""Catalogs: `CatalogStore` holds the installed data sets, `Catalog` is one of them in memory."""

import hashlib
from collections import Counter
from collections.abc import Callable
from functools import cached_property, partial
from itertools import islice

from rapidfuzz import fuzz, process

from palr.catalog.search import MAX_QUERY, TitleIndex, words
from palr.data.datasets import get_dataset
from palr.data.interactions import Interactions
from palr.data.progress import Progress, silent
from palr.data.raw import RawDataset
from palr.data.store import DamagedCatalogError, Database, DatasetInfo
from palr.data.titles import split_title
from palr.domains import DOMAINS, Domain, Persona
from palr.errors import CatalogError, UnknownItemError
from palr.text import is_decade
from palr.types import Item

__all__ = ["Catalog", "CatalogStore", "DamagedCatalogError", "DatasetInfo"]

SUGGESTIONS = 3
FINGERPRINT_LENGTH = 16


class Catalog:
    """Items of one data set, in the order of the source. Safe to use from several threads.

    Args:
        dataset: Key of the data set.
        domain: Its domain.
        items: Its items.
        load_interactions: Loads its interactions when they are first used; None where it has none.
    """

    def __init__(
        self,
        dataset: str,
        domain: Domain,
        items: tuple[Item, ...],
        load_interactions: Callable[[], Interactions] | None = None,
    ) -> None:
        self.dataset = dataset
        self.domain = domain
        self.items = items
        self._by_id = {item.id: item for item in items}
        self._load_interactions = load_interactions

    def item(self, id: str) -> Item:
        """The item of an id; raises UnknownItemError where there is none."""
        if id not in self._by_id:
            raise UnknownItemError(f"no {self.domain.noun} has the id {id!r}")
        return self._by_id[id]

    def find(self, text: str) -> Item:
        """The item that a text names.

        Args:
            text: A label or a title, in any case and with or without accents and punctuation, or
                an id. Of several items with one title the most popular is meant.

        Raises:
            UnknownItemError: there is none; the nearest labels are suggested.
        """
        if found := self._called(text):
            return found
        if text.strip() in self._by_id:
            return self._by_id[text.strip()]
        near = self._nearest(text)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        shown = text if len(text) <= 80 else f"{text[:77]}..."
        raise UnknownItemError(f"no {self.domain.noun} is called {shown!r}{hint}")

    def titled(self, label: str) -> Item | None:
        """The item with this title and this year, or with neither of them a year; None where there
        is none. It says what an item of another data set is here, where its id may be another's."""
        found = self._called(label)
        return found if found and found.year == split_title(label)[1] else None

    def search(self, query: str, limit: int = 8) -> list[Item]:
        """Best matches for whatever was typed; see `TitleIndex.search`."""
        return self._index.search(query, limit)

    def persona_picks(self, persona: Persona) -> tuple[Item, ...]:
        """The first match of each query, each item once; queries that match nothing are skipped."""
        hits = (self._index.search(query, limit=1, exact=True) for query in persona.queries)
        return tuple(dict.fromkeys(hit[0] for hit in hits if hit))

    @property
    def has_interactions(self) -> bool:
        """Whether the data set says who chose what."""
        return self._load_interactions is not None

    def interactions(self) -> Interactions:
        """All interactions, before any preprocessing; ``item_ids[i]`` is ``items[i].id``.

        Raises:
            CatalogError: the data set has none, or they cannot be read.
        """
        return self._interactions

    @cached_property
    def fingerprint(self) -> str:
        """A checksum of the set of item ids, whatever their order and other fields."""
        ids = "\n".join(sorted(self._by_id))
        return hashlib.sha256(ids.encode()).hexdigest()[:FINGERPRINT_LENGTH]

    @cached_property
    def keyword_counts(self) -> Counter[str]:
        """How many items carry each keyword."""
        return Counter(keyword for item in self.items for keyword in dict.fromkeys(item.keywords))

    def common_keywords(self, n: int) -> tuple[str, ...]:
        """The ``n`` most frequent keywords, decades aside."""
        themes = (word for word, _ in self.keyword_counts.most_common() if not is_decade(word))
        return tuple(islice(themes, n))

    @cached_property
    def _interactions(self) -> Interactions:
        if self._load_interactions is None:
            raise CatalogError(
                f"{get_dataset(self.dataset).label} has no interactions; install one of "
                f"{', '.join(self.domain.datasets)} that has (`python -m palr data install`)"
            )
        return self._load_interactions()

    @cached_property
    def _index(self) -> TitleIndex:
        return TitleIndex(self.items)

    @cached_property
    def _by_name(self) -> dict[str, Item]:
        names: dict[str, Item] = {}
        # Labels before titles, and in each the popular before the rest.
        popular = sorted(self.items, key=lambda item: -item.popularity)
        for item in popular:
            names.setdefault(" ".join(words(item.label)), item)
        for item in popular:
            if item.brand:
                names.setdefault(" ".join(words(f"{item.brand} {item.title}")), item)
            names.setdefault(" ".join(words(item.title)), item)
        names.pop("", None)
        return names

    def _called(self, text: str) -> Item | None:
        title, year = split_title(text)
        named = title if year is None else f"{title} ({year})"
        found = (self._by_name.get(" ".join(words(name))) for name in (text, named))
        return next((item for item in found if item), None)

    def _nearest(self, text: str) -> list[str]:
        labels = [item.label for item in self.search(text, SUGGESTIONS)]
        if not labels:
            every = (item.label for item in self.items)
            close = process.extract(
                text[:MAX_QUERY], every, scorer=fuzz.WRatio, limit=SUGGESTIONS, score_cutoff=60
            )
            labels = list(dict.fromkeys(label for label, _, _ in close))
        return labels


class CatalogStore:
    """The catalogs in the database at an SQLAlchemy ``url`` (`Settings.catalog_url`).

    Every method raises CatalogError, with the remedy, where the database cannot be reached, read
    or written, and DamagedCatalogError where its file is not intact; also DataError for a key that
    is not in `palr.data.datasets.DATASETS`.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url)

    def installed(self) -> dict[str, DatasetInfo]:
        """What is installed, by data set key; creates nothing."""
        return self._database.installed()

    def check(self) -> None:
        """Read a SQLite file through; raises DamagedCatalogError where it is not intact."""
        self._database.check()

    def install(
        self,
        key: str,
        raw: RawDataset,
        source_checksum: str | None = None,
        progress: Progress = silent,
    ) -> None:
        """Write a data set in one transaction, in the place of an earlier one of that key.

        Args:
            key: Key of the data set.
            raw: Its items and interactions.
            source_checksum: Of its source; ``raw.checksum`` unless given.
            progress: Is called with the rows written.
        """
        checksum = raw.checksum if source_checksum is None else source_checksum
        self._database.write(get_dataset(key).key, raw, checksum, progress)

    def remove(self, key: str) -> None:
        """Delete a data set; nothing happens where it is not installed."""
        self._database.delete(get_dataset(key).key)

    def open(self, key: str) -> Catalog:
        """Load a data set's items; raises CatalogError where it is not installed.

        Its interactions are read when they are first used. Where it was installed again by then,
        that raises CatalogError too: they would not be those of these items.
        """
        return self._catalog(self._info(key))

    def _info(self, key: str) -> DatasetInfo:
        dataset = get_dataset(key)
        info = self.installed().get(key)
        if info is None:
            command = f"data install {key}" if dataset.urls else "setup"
            raise CatalogError(f"{dataset.label} is not installed; run `python -m palr {command}`")
        return info

    def _catalog(self, info: DatasetInfo) -> Catalog:
        items = self._database.items(info)
        domain = DOMAINS[get_dataset(info.key).domain]
        if not info.interactions:
            return Catalog(info.key, domain, items)
        ids = tuple(item.id for item in items)
        load = partial(self._database.interactions, info, ids)
        return Catalog(info.key, domain, items, load)

    def raw(self, key: str) -> RawDataset:
        """An installed data set as its reader gave it; raises CatalogError where there is none."""
        info = self._info(key)
        catalog = self._catalog(info)
        interactions = catalog.interactions() if catalog.has_interactions else None
        return RawDataset(catalog.items, interactions, info.checksum)

    def active(self, domain: Domain) -> Catalog:
        """The first installed data set of the domain; CatalogError where there is none."""
        present = self.installed()
        for key in domain.datasets:
            if key in present:
                return self.open(key)
        known = " or ".join(domain.datasets)
        raise CatalogError(
            f"no catalog of {domain.nouns} is installed; run `python -m palr setup`, or "
            f"`python -m palr data install` for {known}"
        )

    def close(self) -> None:
        """Give the connections back."""
        self._database.close()
