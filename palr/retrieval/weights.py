"""Trained weights and the record of the run that made them.

Two files lie side by side: ``<dataset>/<model>.safetensors`` (half precision) and
``<dataset>/<model>.json``; those of another protocol than leave-one-out, which are measured and
never served, in ``<dataset>/<protocol>/``. No item id is stored: row ``i`` belongs to the i-th id
of the 5-core in id order, and a fingerprint of those ids refuses any other catalog.
"""

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from palr.data.interactions import CORE
from palr.errors import RetrieverUnavailableError
from palr.files import write
from palr.retrieval.splits import LEAVE_ONE_OUT, core_item_ids, fingerprint
from palr.settings import Settings
from palr.types import Item

if TYPE_CHECKING:
    from palr.catalog.catalog import Catalog

_REMEDY = "run `python -m palr train-retriever`, or delete both files to use those shipped"

SHIPPED = Path(__file__).parents[2] / "assets" / "weights"


@dataclass(frozen=True)
class DataRecord:
    """The data that was trained on: counts and checksums of its 5-core, see `TrainingData`."""

    users: int
    items: int
    interactions: int
    checksum: str
    item_fingerprint: str


@dataclass(frozen=True)
class RunRecord:
    """How weights were trained; ``command`` trains them again.

    ``hyperparameters`` has the parts "model" and "plan". ``validation`` and ``test`` are metrics
    of the stored, rounded weights by `palr.evaluation.protocol`. ``seconds`` is the training time.
    """

    model: str
    dataset: str
    command: str
    seed: int
    hyperparameters: dict[str, dict[str, Any]]
    data: DataRecord
    validation: dict[str, float]
    test: dict[str, float]
    best_epoch: int
    epochs: int
    seconds: float
    parameters: int
    versions: dict[str, str]
    protocol: str = LEAVE_ONE_OUT
    weights_sha256: str = ""

    def to_json(self) -> str:
        """The record as its file holds it."""
        return _RECORD.dump_json(self, indent=2).decode()


_RECORD: TypeAdapter[RunRecord] = TypeAdapter(RunRecord)
Tensors = Mapping[str, NDArray[Any]]


def user_folder(settings: Settings) -> Path:
    """The folder of weights trained here, which are preferred to the shipped ones."""
    return settings.home / "weights"


def place(model: str, dataset: str, folder: Path, protocol: str = LEAVE_ONE_OUT) -> Path:
    """The path of a run record, whether or not it exists.

    Args:
        model: A key of `RETRIEVERS`.
        dataset: Key of the data set.
        folder: A folder of weights.
        protocol: The split that it was trained for.
    """
    inner = folder / dataset if protocol == LEAVE_ONE_OUT else folder / dataset / protocol
    return inner / f"{model}.json"


def find(model: str, dataset: str, settings: Settings) -> Path | None:
    """The record of the weights that serve this data set, or None; looks at file names only."""
    for folder in (user_folder(settings), SHIPPED):
        path = place(model, dataset, folder)
        if path.is_file():
            return path
    return None


def missing(model: str, catalog: "Catalog", settings: Settings) -> str | None:
    """Why no weights can serve the catalog, or None; see `find`."""
    if find(model, catalog.dataset, settings):
        return None
    return (
        f"there are no {model} weights for {catalog.dataset}; "
        f"run `python -m palr train-retriever {model} --dataset {catalog.dataset}`"
    )


def save(record: RunRecord, tensors: Tensors, folder: Path) -> Path:
    """Write the weights and their run record.

    Args:
        record: The record; the checksum of the weights is added to it.
        tensors: The weights by name, as they are stored.
        folder: The folder of weights, see `place`.

    Returns:
        The path of the record.

    Raises:
        UnwritableError: the folder cannot be written.
    """
    path = place(record.model, record.dataset, folder, record.protocol)
    content = safetensors.numpy.save(dict(tensors))
    sealed = replace(record, weights_sha256=hashlib.sha256(content).hexdigest())
    write(path.with_suffix(".safetensors"), content)
    write(path, f"{sealed.to_json()}\n")
    return path


def load(path: Path) -> tuple[RunRecord, dict[str, NDArray[np.float32]]]:
    """Read a record and its weights, widened to float32.

    Raises:
        RetrieverUnavailableError: a file is missing, damaged, or the two do not belong together.
    """
    weights = path.with_suffix(".safetensors")
    try:
        record = _RECORD.validate_json(path.read_bytes())
        content = weights.read_bytes()
    except (OSError, ValidationError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise RetrieverUnavailableError(
            f"{path} or its weights cannot be read ({reason}); {_REMEDY}"
        ) from error
    if hashlib.sha256(content).hexdigest() != record.weights_sha256:
        raise RetrieverUnavailableError(
            f"{weights} is damaged: its checksum differs from its run record's; {_REMEDY}"
        )
    tensors = safetensors.numpy.load(content)
    return record, {name: value.astype(np.float32) for name, value in tensors.items()}


def items_of(record: RunRecord, catalog: "Catalog") -> tuple[Item, ...]:
    """The catalog's items in the order of the weights' rows.

    Raises:
        RetrieverUnavailableError: the catalog's 5-core is not the one that was trained on.
    """
    wanted = record.data.item_fingerprint
    # Where all users are active the 5-core is simply the items that five users share. The
    # fingerprint proves it, and a million interactions need not be read.
    likely = sorted(item.id for item in catalog.items if item.popularity >= CORE)
    ids = likely if fingerprint(likely) == wanted else core_item_ids(catalog)
    if fingerprint(ids) != wanted:
        raise RetrieverUnavailableError(
            f"the {record.model} weights belong to other items than {catalog.dataset} holds: they "
            f"know {record.data.items} items (fingerprint {wanted}), the catalog's 5-core has "
            f"{len(ids)} ({fingerprint(ids)}); run `{record.command}` to train for this catalog"
        )
    return tuple(catalog.item(item_id) for item_id in ids)


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that a training depends on."""
    return {"python": platform.python_version()} | {
        package: version(package) for package in ("torch", "numpy", "safetensors")
    }
