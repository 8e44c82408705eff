"""Retrievers: the models that narrow the catalog down to candidates (paper, section 2.1).

To add one, add one entry to `RETRIEVERS`. Its ``learns`` says what it learns from. Nothing here
imports torch until a retriever is loaded.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from palr.errors import RetrieverUnavailableError
from palr.retrieval import blend, ease, itemknn, popularity, semantic, weights
from palr.retrieval.base import Retriever, retrieve
from palr.retrieval.learning import (
    Ensemble,
    FittedAtLoad,
    Learning,
    NoInteractions,
    TrainedWeights,
)
from palr.settings import Settings

if TYPE_CHECKING:
    from palr.catalog.catalog import Catalog

__all__ = [
    "RETRIEVERS",
    "Ensemble",
    "Entry",
    "FittedAtLoad",
    "Learning",
    "NoInteractions",
    "Retriever",
    "TrainedWeights",
    "available",
    "load_retriever",
    "retrieve",
]


@dataclass(frozen=True)
class Entry:
    """What a retriever is called, what it learns from, and how it is loaded.

    Attributes:
        label: Its name for people.
        meaning: What it goes by; completes "50 found by ...: ".
        learns: What it learns from, which decides how it is evaluated.
        load: Builds it for a catalog, or raises RetrieverUnavailableError.
        missing: Says why it cannot serve a catalog, or None. Cheap: looks at file names and flags.
    """

    label: str
    meaning: str
    learns: Learning
    load: Callable[["Catalog", Settings], Retriever]
    missing: Callable[["Catalog", Settings], str | None]

    def __call__(self, catalog: "Catalog", settings: Settings) -> Retriever:
        """Load the retriever for a catalog.

        Raises:
            RetrieverUnavailableError: something is missing or broken; the message says what.
        """
        if reason := self.missing(catalog, settings):
            raise RetrieverUnavailableError(reason)
        return self.load(catalog, settings)


def _trained(name: str, label: str, meaning: str, module: str) -> Entry:
    architecture = f"palr.retrieval.{module}"

    def load(catalog: "Catalog", settings: Settings) -> Retriever:
        from palr.retrieval import neural

        return neural.load(name, architecture, catalog, settings)

    learns = TrainedWeights(architecture)
    return Entry(label, meaning, learns, load, partial(weights.missing, name))


def _blend() -> Entry:
    """The blend, which reaches its experts through `RETRIEVERS`."""

    def load(catalog: "Catalog", settings: Settings) -> Retriever:
        return blend.load(catalog, lambda name: load_retriever(name, catalog, settings))

    def missing(catalog: "Catalog", settings: Settings) -> str | None:
        return blend.missing(catalog, lambda name: RETRIEVERS[name].missing(catalog, settings))

    learns = Ensemble(blend.weights_for)
    return Entry("Blend", "what several models agree on", learns, load, missing)


# Best first: this is the order in which they are offered, and in which "auto" tries `AUTO`.
RETRIEVERS: dict[str, Entry] = {
    "blend": _blend(),
    **{
        name: _trained(name, label, meaning, module)
        for name, label, meaning, module in (
            ("hstu", "HSTU", "attention that keeps how often a taste shows", "hstu"),
            ("sasrec", "SASRec", "attention over what people chose next", "sasrec"),
            ("gru4rec", "GRU4Rec", "a recurrent network over the history", "gru4rec"),
            ("bert4rec", "BERT4Rec", "attention that fills in a masked item", "bert4rec"),
            ("caser", "Caser", "convolutions over the last few picks", "caser"),
            ("sasrec-bce", "SASRec as published", "one negative per target", "sasrec_published"),
            ("bpr-mf", "BPR-MF", "factors in which what was chosen beats what was not", "bpr_mf"),
            ("ncf", "NeuMF", "a network over factors of picks and items", "ncf"),
            ("lightgcn", "LightGCN", "factors smoothed over who chose what", "lightgcn"),
        )
    },
    "ease": Entry(
        "EASE",
        "what goes together, popular or not",
        FittedAtLoad(ease.EASERetriever),
        ease.load,
        ease.missing,
    ),
    "itemknn": Entry(
        "ItemKNN",
        "what the same people chose",
        FittedAtLoad(itemknn.ItemKNNRetriever),
        itemknn.load,
        itemknn.missing,
    ),
    "semantic": Entry(
        "Semantic",
        "closeness of titles and keywords",
        NoInteractions(),
        semantic.load,
        semantic.missing,
    ),
    "popularity": Entry(
        "Popularity",
        "what most people chose, whatever the picks",
        FittedAtLoad(popularity.fit),
        popularity.load,
        popularity.missing,
    ),
}
AUTO = ("sasrec", "semantic")
_log = logging.getLogger(__name__)


def available(catalog: "Catalog", settings: Settings) -> list[str]:
    """Names of the retrievers that have what they need to serve the catalog, best first."""
    return [name for name, entry in RETRIEVERS.items() if entry.missing(catalog, settings) is None]


def load_retriever(name: str, catalog: "Catalog", settings: Settings) -> Retriever:
    """Load a retriever by its name.

    Args:
        name: A key of `RETRIEVERS`, or "auto" for the first of `AUTO` that loads.
        catalog: The catalog that it serves.
        settings: Where models, weights and caches lie.

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
