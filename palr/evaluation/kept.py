"""The rank that each model gave each user's held-out item, kept so that any two can be compared.

``PALR_HOME/evaluations/<dataset>/<protocol>/<model>-<seed>.npz`` for the test part; those of the
validation part lie in ``<protocol>-validation``. They derive from single users' interactions, so
they stay in the home and are never shipped.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from palr.errors import DataError
from palr.evaluation.protocol import Part
from palr.evaluation.significance import Comparison, compare
from palr.files import replacing
from palr.settings import Settings


@dataclass(frozen=True)
class Ranks:
    """The rank that a model gave each user's target.

    Attributes:
        name: Model and seed, such as ``sasrec-1``.
        users: Positions of the users in the split's part, (users,).
        ranks: Rank of each one's target, from 1, (users,).
        data_checksum: That of the split's data.
    """

    name: str
    users: NDArray[np.int64]
    ranks: NDArray[np.int64]
    data_checksum: str


class KeptRanks:
    """The kept ranks of one data set under one protocol."""

    def __init__(self, settings: Settings, dataset: str, protocol: str, part: Part) -> None:
        self.dataset = dataset
        inner = protocol if part == "test" else f"{protocol}-{part}"
        self.folder = settings.home / "evaluations" / dataset / inner

    def keep(self, ranks: Ranks) -> Path:
        """Write the ranks in the place of earlier ones of that name; raises UnwritableError."""
        path = self._path(ranks.name)
        with replacing(path) as file:
            np.savez_compressed(
                file,
                users=ranks.users,
                ranks=ranks.ranks,
                data_checksum=np.array(ranks.data_checksum),
            )
        return path

    def recall(self, model: str, seed: int = 0) -> Ranks:
        """The kept ranks of a model.

        Args:
            model: Its name, or its name with a seed, such as ``sasrec-1``.
            seed: Which of several seeds is taken; the lowest where it is not kept.

        Raises:
            DataError: none are kept, naming those that are, or the file is damaged.
        """
        seeds = self._seeds(model)
        name = model
        if not self._path(model).is_file():
            if not seeds:
                there = ", ".join(self.names()) or "none"
                raise DataError(
                    f"no ranks of {model} are kept for {self.dataset} (there are: {there}); run "
                    f"`python -m palr evaluate --dataset {self.dataset} --model {model}`"
                )
            name = f"{model}-{seed if seed in seeds else min(seeds)}"
        path = self._path(name)
        try:
            with np.load(path, allow_pickle=False) as stored:
                return Ranks(name, stored["users"], stored["ranks"], str(stored["data_checksum"]))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(f"{path} is damaged ({error}); evaluate {model} again") from error

    def names(self) -> list[str]:
        """What is kept, by model and seed."""
        return sorted(path.stem for path in self.folder.glob("*.npz"))

    def _seeds(self, model: str) -> list[int]:
        tails = [name.removeprefix(f"{model}-") for name in self.names() if name != model]
        return [int(tail) for tail in tails if tail.isdecimal()]

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npz"


def compare_kept(ranks: Ranks, baseline: Ranks) -> tuple[Comparison, int]:
    """Compare two models on the users that both were evaluated on.

    Returns:
        What ``ranks`` gain over ``baseline``, and the number of common users.

    Raises:
        DataError: the two were measured on different data, or have no user in common.
    """
    if ranks.data_checksum != baseline.data_checksum:
        raise DataError(
            f"{ranks.name} and {baseline.name} were measured on different data; evaluate both again"
        )
    common, mine, theirs = np.intersect1d(
        ranks.users, baseline.users, assume_unique=True, return_indices=True
    )
    if not len(common):
        raise DataError(f"{ranks.name} and {baseline.name} have no user in common")
    return compare(ranks.ranks[mine], baseline.ranks[theirs]), len(common)
