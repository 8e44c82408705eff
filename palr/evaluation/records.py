"""Records of evaluations, as the results files hold them.

A results file is a JSON list of flat records:

    {"dataset": "beauty", "model": "sasrec", "seed": 0, "protocol": "leave-one-out", ...,
     "HR@10": 0.0918, "NDCG@10": 0.0561, "coverage@10": 0.71, ...,
     "intervals": {"HR@10": [0.0880, 0.0955], ...}, "training": {"epochs": 30, ...}}

A key with an ``@`` is a measure; ``intervals`` holds the 95% bootstrap interval over users of those
that have one. What does not apply to a record is left out of it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from palr.errors import DataError


@dataclass(frozen=True)
class Training:
    """The essentials of the run record of trained weights; ``command`` makes them again."""

    command: str
    seconds: float
    epochs: int
    best_epoch: int
    parameters: int
    versions: dict[str, str]
    weights_sha256: str


@dataclass(frozen=True)
class Record:
    """How a model did on one part of one split.

    Attributes:
        seed: 0 for a model that draws nothing.
        measures: HR@k, NDCG@k, coverage@10 and, against a baseline, ``delta_HR@10`` and
            ``delta_NDCG@10``, by name.
        intervals: 95% bootstrap intervals over users of some measures, by name.
        popularity_lift: See `palr.evaluation.metrics.popularity_lift`.
        unserved: Users without an answer, who count as misses.
        seconds: Time to score and rank all users.
        data_checksum: Of the 5-core (`palr.retrieval.splits.TrainingData`).
        training: The run record's essentials of a model with trained weights.
        baseline: Name of the record that it is compared with.
        p_value: Of ``delta_NDCG@10``, two-sided.
        base_model: Name of the language model, where one ranks.
        adapter_sha256: Checksum of its adapter's weights.
        valid_share: Share of its answers that named only candidates.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    dataset: str
    model: str
    seed: int
    protocol: str
    part: str
    n_users: int
    n_items: int
    measures: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    popularity_lift: float
    unserved: int
    seconds: float
    users_per_second: float
    data_checksum: str
    command: str
    versions: dict[str, str] = field(default_factory=dict)
    training: Training | None = None
    baseline: str | None = None
    p_value: float | None = None
    base_model: str | None = None
    adapter_sha256: str | None = None
    valid_share: float | None = None

    @property
    def name(self) -> str:
        """Model and seed, the name under which its ranks are kept."""
        return f"{self.model}-{self.seed}"

    def flat(self) -> dict[str, Any]:
        """The record as a results file holds it."""
        fields = _RECORD.dump_python(self, mode="json", exclude_none=True)
        measures = fields.pop("measures")
        head = {key: fields.pop(key) for key in _HEAD}
        flat: dict[str, Any] = head | measures | fields
        return flat

    @classmethod
    def from_flat(cls, fields: dict[str, Any]) -> "Record":
        """The inverse of `flat`; raises ValidationError where a field is missing or unknown."""
        measures = {key: value for key, value in fields.items() if "@" in key}
        rest = {key: value for key, value in fields.items() if "@" not in key}
        return _RECORD.validate_python({**rest, "measures": measures})


_RECORD: TypeAdapter[Record] = TypeAdapter(Record)
_HEAD = ("dataset", "model", "seed", "protocol", "part", "n_users", "n_items")


def to_json(records: Sequence[Record]) -> str:
    """A results file's content."""
    return json.dumps([record.flat() for record in records], indent=2)


def read(path: Path) -> list[Record]:
    """The records of a results file.

    Raises:
        DataError: the file is missing, or is no list of records.
    """
    try:
        return [Record.from_flat(fields) for fields in json.loads(path.read_text())]
    except (OSError, ValueError, AttributeError, TypeError, ValidationError) as error:
        raise DataError(f"{path} is not a results file ({error}); evaluate again") from error
