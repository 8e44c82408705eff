"""Retrievers: the models that narrow the catalog down to candidates (paper, section 3.2).

To add one, add one entry to `RETRIEVERS`. Nothing here imports torch until a retriever is loaded.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from palr.errors import RetrieverUnavailableError
from palr.retrieval import popularity, semantic, weights
from palr.retrieval.base import Retriever, retrieve
from palr.settings import Settings

if TYPE_CHECKING:
    from palr.catalog import Catalog

__all__ = ["RETRIEVERS", "Entry", "Retriever", "available", "load_retriever", "retrieve"]


@dataclass(frozen=True)
class Entry:
    """How a retriever comes to be.

    ``load`` builds it or raises RetrieverUnavailableError. ``missing`` says cheaply, from file
    names and flags alone, why it would, or None. ``architecture`` is the module that
    `palr.retrieval.train` trains, empty where there is nothing to train.
    """

    load: Callable[["Catalog", Settings], Retriever]
    missing: Callable[["Catalog", Settings], str | None]
    architecture: str = ""

    def __call__(self, catalog: "Catalog", settings: Settings) -> Retriever:
        return self.load(catalog, settings)


def _trained(name: str, architecture: str) -> Entry:
    def load(catalog: "Catalog", settings: Settings) -> Retriever:
        from palr.retrieval import neural

        return neural.load(name, architecture, catalog, settings)

    return Entry(load, partial(weights.missing, name), architecture)


# Best first: this is the order in which they are offered, and in which "auto" tries `AUTO`.
RETRIEVERS: dict[str, Entry] = {
    "sasrec": _trained("sasrec", "palr.retrieval.sasrec"),
    "semantic": Entry(semantic.load, semantic.missing),
    "popularity": Entry(popularity.load, popularity.missing),
}
AUTO = ("sasrec", "semantic")
_log = logging.getLogger(__name__)


def available(catalog: "Catalog", settings: Settings) -> list[str]:
    """Names of the retrievers that have what they need to serve the catalog, best first."""
    return [name for name, entry in RETRIEVERS.items() if entry.missing(catalog, settings) is None]


def load_retriever(name: str, catalog: "Catalog", settings: Settings) -> Retriever:
    """Load a retriever by its name; "auto" is the first of `AUTO` that loads.

    Raises:
        RetrieverUnavailableError: the name is unknown, or the retriever cannot serve the catalog.
    """
    if name == "auto":
        return _first_that_loads(catalog, settings)
    if name not in RETRIEVERS:
        raise RetrieverUnavailableError(
            f"unknown retriever {name!r}; choose one of: auto, {', '.join(RETRIEVERS)}"
        )
    return RETRIEVERS[name](catalog, settings)


def _first_that_loads(catalog: "Catalog", settings: Settings) -> Retriever:
    reasons = []
    for name in AUTO:
        try:
            return RETRIEVERS[name](catalog, settings)
        except RetrieverUnavailableError as error:
            reasons.append(f"{name}: {error}")
            if RETRIEVERS[name].missing(catalog, settings) is None:  # there, but broken
                _log.warning("passing over %s: %s", name, error)
    raise RetrieverUnavailableError(
        f"no retriever can serve {catalog.dataset}. {'. '.join(reasons)}"
    )
