"""Retrievers: the models that narrow the catalog down to candidates (paper, section 3.2).

To add one, add one entry to `RETRIEVERS`. Nothing here imports torch until a retriever is loaded.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from palr.data.interactions import Split
from palr.errors import RetrieverUnavailableError
from palr.retrieval import blend, ease, itemknn, popularity, semantic, weights
from palr.retrieval.base import Retriever, retrieve
from palr.settings import Settings
from palr.types import Item

if TYPE_CHECKING:
    from palr.catalog.catalog import Catalog

__all__ = ["RETRIEVERS", "Entry", "Retriever", "available", "load_retriever", "retrieve"]


@dataclass(frozen=True)
class Entry:
    """What a retriever is called, and how it comes to be.

    ``label`` and ``meaning`` are for people; the meaning completes "50 found by ...: ". ``load``
    builds it or raises RetrieverUnavailableError, once ``missing`` is None: that says cheaply, from
    file names and flags alone, why it could not serve. ``architecture`` is the module that
    `palr.training.train` trains, empty where there is nothing to train. ``on_training_part`` is
    for models that learn from interactions without weights of their own: they serve what all
    interactions taught them, and are measured as they are without the held-out ones; its items are
    in the order of the split. ``experts`` names the retrievers that it is made of, for a data set.
    A model that has none of the three learns from no interactions, and is measured as it is served.
    """

    label: str
    meaning: str
    load: Callable[["Catalog", Settings], Retriever]
    missing: Callable[["Catalog", Settings], str | None]
    architecture: str = ""
    on_training_part: Callable[[Split, Sequence[Item]], Retriever] | None = None
    experts: Callable[[str], Mapping[str, float]] | None = None

    def __call__(self, catalog: "Catalog", settings: Settings) -> Retriever:
        """Load it; raises RetrieverUnavailableError with what is missing, or what is broken."""
        if reason := self.missing(catalog, settings):
            raise RetrieverUnavailableError(reason)
        return self.load(catalog, settings)


def _trained(name: str, label: str, meaning: str, module: str) -> Entry:
    architecture = f"palr.retrieval.{module}"

    def load(catalog: "Catalog", settings: Settings) -> Retriever:
        from palr.retrieval import neural

        return neural.load(name, architecture, catalog, settings)

    return Entry(label, meaning, load, partial(weights.missing, name), architecture)


# Best first: this is the order in which they are offered, and in which "auto" tries `AUTO`.
RETRIEVERS: dict[str, Entry] = {
    "blend": Entry(
        "Blend",
        "what several models agree on",
        blend.load,
        blend.missing,
        experts=blend.weights_for,
    ),
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
        ease.load,
        ease.missing,
        on_training_part=ease.on_training_part,
    ),
    "itemknn": Entry(
        "ItemKNN",
        "what the same people chose",
        itemknn.load,
        itemknn.missing,
        on_training_part=itemknn.on_training_part,
    ),
    "semantic": Entry(
        "Semantic",
        "closeness of titles and keywords",
        semantic.load,
        semantic.missing,
    ),
    "popularity": Entry(
        "Popularity",
        "what most people chose, whatever the picks",
        popularity.load,
        popularity.missing,
        on_training_part=popularity.on_training_part,
    ),
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
