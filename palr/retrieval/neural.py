"""A trained network as a `Retriever`.

An architecture is a module with ``build(n_items, hyperparameters) -> Trainable`` and ``TUNED``; see
`palr.retrieval.sasrec`.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from palr.errors import RetrieverUnavailableError
from palr.retrieval import weights
from palr.retrieval.base import known_columns
from palr.retrieval.trainable import Trainable
from palr.settings import Settings
from palr.types import Item

if TYPE_CHECKING:
    from palr.catalog.catalog import Catalog


class NeuralRetriever:
    """Scores any history with a network.

    Args:
        name: Its key in `RETRIEVERS`.
        model: The network.
        items: The items of its score columns, in their order.
    """

    def __init__(self, name: str, model: Trainable, items: tuple[Item, ...]) -> None:
        self.name, self.items = name, items
        self.model = model.eval()
        self._column = {item.id: at for at, item in enumerate(items)}

    def score(self, histories: Sequence[Sequence[Item]]) -> NDArray[np.float32]:
        """See `Retriever.score`; the network reads the most recent items that fit its length."""
        known = known_columns(self.name, self._column, histories)
        scores: NDArray[np.float32] = self.model.score(known)
        return scores


def load(name: str, architecture: str, catalog: "Catalog", settings: Settings) -> NeuralRetriever:
    """Load the installed or shipped weights of a retriever.

    Args:
        name: Its key in `RETRIEVERS`.
        architecture: The network's module.
        catalog: The catalog that it serves.
        settings: Where installed weights lie.

    Raises:
        RetrieverUnavailableError: there are none, they are damaged, or they fit another catalog.
    """
    path = weights.find(name, catalog.dataset, settings)
    if path is None:
        raise RetrieverUnavailableError(weights.missing(name, catalog, settings))
    return load_file(path, architecture, catalog)[0]


def load_file(
    path: Path, architecture: str, catalog: "Catalog"
) -> tuple[NeuralRetriever, weights.RunRecord]:
    """Load the weights of one run record.

    Args:
        path: The run record; its weights lie beside it.
        architecture: The network's module.
        catalog: The catalog that it was trained on.

    Returns:
        The retriever and the record.

    Raises:
        RetrieverUnavailableError: as `load`.
    """
    record, tensors = weights.load(path)
    items = weights.items_of(record, catalog)
    try:
        model = build(architecture, len(items), record.hyperparameters["model"])
        set_tensors(model, tensors)
    except (KeyError, TypeError, RuntimeError) as error:
        raise RetrieverUnavailableError(
            f"{path} does not fit this version's {record.model} ({error}); run `{record.command}`"
        ) from error
    return NeuralRetriever(record.model, model, items), record


def build(architecture: str, n_items: int, hyperparameters: Mapping[str, Any]) -> Trainable:
    """A new network.

    Args:
        architecture: Its module, such as ``palr.retrieval.sasrec``.
        n_items: Number of items.
        hyperparameters: Fields of the module's ``Config``.
    """
    model: Trainable = import_module(architecture).build(n_items, hyperparameters)
    return model


def tensors_of(model: Trainable) -> dict[str, NDArray[np.float16]]:
    """The network's weights in half precision, as they are stored."""
    return {name: value.cpu().half().numpy() for name, value in model.state_dict().items()}


def set_tensors(model: Trainable, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Put stored weights into a network; raises RuntimeError where names or shapes differ."""
    model.load_state_dict(
        {name: torch.from_numpy(value.astype(np.float32)) for name, value in tensors.items()}
    )
