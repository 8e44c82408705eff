"""What a retriever learns from: a closed set of kinds, which every entry of `RETRIEVERS` names.

`palr.evaluation.experiment` reads the kind, so that no model is measured on items that it was
fitted to.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from palr.retrieval.base import Retriever
from palr.types import Item

Fit = Callable[[Sequence[Item], Sequence[NDArray[np.int64]]], Retriever]
"""Fits a retriever to users' sequences, oldest first, of indices into the items."""


@dataclass(frozen=True)
class NoInteractions:
    """It learns from no interactions, for example from the items' text alone.

    It is evaluated on a catalog without interactions, so it cannot have seen the held-out items.
    """


@dataclass(frozen=True)
class FittedAtLoad:
    """It is fitted to the interactions whenever it is loaded, and has no weights of its own.

    It serves what all interactions say, and is evaluated after ``fit`` to the training part alone.
    """

    fit: Fit


@dataclass(frozen=True)
class TrainedWeights:
    """`palr.training.train` trains it on the training part and stores its weights.

    ``architecture`` names its module, see `palr.retrieval.neural`.
    """

    architecture: str


@dataclass(frozen=True)
class Ensemble:
    """It sums the scores of other retrievers, each evaluated by its own kind.

    ``weights`` gives the names of those of a data set, and the weight of each.
    """

    weights: Callable[[str], Mapping[str, float]]


Learning = NoInteractions | FittedAtLoad | TrainedWeights | Ensemble
