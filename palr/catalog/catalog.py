"""Catalogs: `CatalogStore` holds the installed data sets, `Catalog` is one of them in memory."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, partial
from itertools import islice

from rapidfuzz import fuzz

from palr.catalog.names import NameIndex
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
ALIKE = 60  # of 100: from here on a name may have been meant
MOST_LISTED = 5  # items that a text may name
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
        """The item that a text names; see `find_all`."""
        return self.find_all([text])[0]

    def find_all(self, texts: Iterable[str]) -> list[Item]:
        """The items that texts name, one for each.

        Args:
            texts: Labels or titles, see `matches`; or ids.

        Raises:
            UnknownItemError: for some there is none, or there are several. All of these are named,
                with the nearest labels or with those among which to choose.
        """
        found: list[Item] = []
        troubles: list[str] = []
        for text in texts:
            items = self.matches(text)
            found += items[:1]
            if not _alike(items) and (trouble := self._trouble(text, items)) not in troubles:
                troubles.append(trouble)
        if troubles:
            first, *others = troubles
            sentences = [first, *(f"{other[0].upper()}{other[1:]}" for other in others)]
            raise UnknownItemError(" ".join(sentences).removesuffix("."))
        return found

    def matches(self, text: str) -> tuple[Item, ...]:
        """The items that a text names equally well, the most popular first; () where none is.

        See `NameIndex.matches`; what is no name may be an id.
        """
        named = self._names.matches(text)
        return named or tuple(filter(None, [self._by_id.get(text.strip())]))

    def nearest(self, text: str) -> list[Item]:
        """The items that a text which names none may be meant for, the likeliest first."""
        text = text[:MAX_QUERY]
        asked = " ".join(words(split_title(text)[0]))
        namesakes = self._names.namesakes(text)
        scores = {
            item: fuzz.WRatio(asked, " ".join(words(f"{item.brand or ''} {item.title}")))
            for item in self.search(text, 4 * SUGGESTIONS)
        }
        alike = sorted((i for i in scores if scores[i] >= ALIKE), key=lambda i: -scores[i])
        near = list(dict.fromkeys([*namesakes, *alike])) or self._names.near(text, SUGGESTIONS)
        return list(near[:SUGGESTIONS])

    def titled(self, label: str) -> Item | None:
        """The item with this title and this year, or with neither of them a year; None where there
        is none. It says what an item of another data set is here, where its id may be another's."""
        found = self._names.matches(label)
        year = split_title(label)[1]
        return found[0] if _alike(found) and found[0].year == year else None

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
    def _names(self) -> NameIndex:
        return NameIndex(self.items)

    def _trouble(self, text: str, items: tuple[Item, ...]) -> str:
        """Why a text names no item, or which it may name; a sentence."""
        shown = text if len(text) <= 80 else f"{text[:77]}..."
        if not items:
            near = [item.label for item in self.nearest(text)]
            hint = f"; did you mean {' or '.join(near)}?" if near else "."
            return f"no {self.domain.noun} is called {shown!r}{hint}"
        alike = {item.label: item for item in reversed(items)}  # the popular one of a label
        choices = [item for item in items if alike[item.label] is item]
        listed = choices[:MOST_LISTED]
        # A label that is not its item's alone would only be asked about again.
        alone = all(_alike(self.matches(item.label)) for item in listed)
        names = [item.label if alone else f"{item.label} (id {item.id})" for item in listed]
        more = f" or {len(choices) - len(listed)} more" if len(choices) > len(listed) else ""
        how = "write which" if alone else "write the id"
        return f"{shown!r} may be {' or '.join(names)}{more}: {how}."


def _alike(items: Sequence[Item]) -> bool:
    """Whether the items are one, or cannot be told apart by their labels: some catalogs hold an
    item twice, and the popular one is meant."""
    return len({item.label for item in items}) == 1


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
