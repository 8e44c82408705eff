"""Ids that come from elsewhere, a link or a browser's memory, as the items that they mean here.

An id means something in its own data set only: 50 is Star Wars in MovieLens-100K and a thriller in
MovieLens-1M. So whatever leaves the app names its data set and the labels of its ids, and comes
back through here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from palr.catalog.catalog import Catalog
from palr.data.datasets import dataset_name
from palr.errors import UnknownItemError
from palr.text import visible


@dataclass(frozen=True)
class Carried:
    """What ids mean in this catalog.

    Attributes:
        ids: The ids here, by those that came; without what is not here.
        missing: What is not here, by its label, or by its id where no label came along.
        note: What to say about the data set, a sentence; empty where it is the same.
    """

    ids: Mapping[str, str]
    missing: tuple[str, ...]
    note: str = ""

    def here(self, ids: Sequence[str]) -> tuple[str, ...]:
        """Those that are here, in their order."""
        return tuple(self.ids[i] for i in ids if i in self.ids)


def carry(ids: Sequence[str], labels: Mapping[str, str], dataset: str, catalog: Catalog) -> Carried:
    """Find in a catalog what ids mean that were given elsewhere.

    In their own data set ids count; in another one titles and years do, and never ids. Where the
    data set is not known, an id without a label is read as one of this catalog, with a word on it.

    Args:
        ids: As they came.
        labels: Labels by id, as far as they came along.
        dataset: Key of the data set that the ids are of; empty where it is not known.
        catalog: The catalog here.
    """
    here: dict[str, str] = {}
    missing: dict[str, None] = {}
    for there in dict.fromkeys(ids):
        label = labels.get(there)
        by_id = dataset == catalog.dataset or not (dataset or label)
        try:
            item = catalog.item(there) if by_id else catalog.titled(label or "")
        except UnknownItemError:
            item = None
        if item:
            here[there] = item.id
        else:
            missing[visible(label or there)] = None
    return Carried(here, tuple(missing), _note(ids, labels, dataset, catalog, len(here)))


def _note(
    ids: Sequence[str], labels: Mapping[str, str], dataset: str, catalog: Catalog, found: int
) -> str:
    if not ids or dataset == catalog.dataset:
        return ""
    here = dataset_name(catalog.dataset)
    if dataset:
        return (
            f"These picks are of {dataset_name(dataset)}, and this is {here}: {found} of "
            f"{len(set(ids))} were found by title and year."
        )
    how = "found by title and year" if all(i in labels for i in ids) else f"read as ids of {here}"
    return f"Which data set these picks are of is not known. They were {how}: check them."
