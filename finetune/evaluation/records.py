"""Rows of the evaluation: the measures of a system's orders over all test users."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from finetune.data.lists import Order, UserList, rank_in
from finetune.evaluation.rankers import TOP, Evaluation
from finetune.training.record import versions
from palr.evaluation.agreement import kendall_tau, overlap
from palr.evaluation.kept import KeptRanks, Ranks
from palr.evaluation.metrics import NOTHING, popularity_lift, summary
from palr.evaluation.protocol import part_of
from palr.evaluation.records import Record, to_json
from palr.evaluation.significance import compare, intervals
from palr.outputs import STDOUT, save

COMPARED = ("HR@10", "NDCG@10")


@dataclass(frozen=True)
class Baseline:
    """The row that others are compared with; ``ranks`` in the order of the test user_lists."""

    name: str
    ranks: NDArray[np.int64]


def system_row(
    evaluation: Evaluation, name: str, orders: dict[int, Order], baseline: Baseline
) -> Record:
    """The row over all test users, whose ranks are kept.

    Args:
        evaluation: What all rows share.
        name: The name of the row.
        orders: The order of each list, by user.
        baseline: What the row is compared with.
    """
    ranks = _ranks(evaluation.test, orders)
    lists = {
        entry.user: [
            entry.candidates[place - 1].item.id for place in orders[entry.user].places[:TOP]
        ]
        for entry in evaluation.checked
    }
    seconds = sum(order.seconds for order in orders.values())
    record = _record(evaluation, name, ranks, lists, seconds, len(orders))
    users = np.array([entry.user for entry in evaluation.test], np.int64)
    kept_ranks(evaluation).keep(Ranks(record.name, users, ranks, evaluation.data.checksum))
    return _against(record, ranks, baseline)


def kept_ranks(evaluation: Evaluation) -> KeptRanks:
    """Where the ranks of all rows are kept."""
    return KeptRanks(evaluation.settings, evaluation.data.dataset, evaluation.data.protocol, "test")


def apart(
    evaluation: Evaluation,
    record: Record,
    orders: dict[int, Order],
    baseline: Baseline,
    seen: set[int],
) -> list[Record]:
    """The same row over the users that were in the instructions, and over all others.

    Args:
        evaluation: What all rows share.
        record: The row over all users.
        orders: The order of each list, by user.
        baseline: What the row is compared with.
        seen: Users that were in the instructions.
    """
    if not seen:
        return []
    ranks = _ranks(evaluation.test, orders)
    was = np.array([entry.user in seen for entry in evaluation.test])
    rows = []
    for part, mask in (("test-seen", was), ("test-unseen", ~was)):
        if mask.any():
            row = replace(
                record,
                part=part,
                n_users=int(mask.sum()),
                measures=summary(ranks[mask]),
                intervals=intervals(ranks[mask]),
            )
            theirs = Baseline(baseline.name, baseline.ranks[mask])
            rows.append(_against(row, ranks[mask], theirs))
    return rows


def retriever_row(evaluation: Evaluation) -> Record:
    """The retriever's own order of the same lists."""
    lists = {
        entry.user: [c.item.id for c in entry.candidates[:TOP]] for entry in evaluation.checked
    }
    return _record(
        evaluation, evaluation.retriever, evaluation.ranks, lists, 0.0, len(evaluation.test)
    )


def _record(
    evaluation: Evaluation,
    name: str,
    ranks: NDArray[np.int64],
    lists: dict[int, list[str]],
    seconds: float,
    n_lists: int,
) -> Record:
    data = evaluation.data
    index = {item: at for at, item in enumerate(data.item_ids)}
    histories, _ = part_of(data.split, "test")
    shown = np.full((max(len(lists), 1), TOP), NOTHING, np.int64)
    for row, items in enumerate(lists.values()):
        shown[row, : len(items)] = [index[item] for item in items]
    popularity = np.bincount(np.concatenate(data.split.train), minlength=len(index))
    return Record(
        dataset=data.dataset,
        model=name,
        seed=evaluation.sampling.seed,
        protocol=data.protocol,
        part="test",
        n_users=len(ranks),
        n_items=len(index),
        measures=summary(ranks),
        intervals=intervals(ranks),
        popularity_lift=popularity_lift(shown, [histories[user] for user in lists], popularity),
        unserved=sum(1 for entry in evaluation.test if not entry.candidates),
        seconds=round(seconds, 3),
        users_per_second=round(n_lists / seconds, 3) if seconds else 0.0,
        data_checksum=data.checksum,
        command=evaluation.command,
        versions=versions(),
    )


def _against(record: Record, ranks: NDArray[np.int64], baseline: Baseline) -> Record:
    gained = compare(ranks, baseline.ranks)
    return replace(
        record,
        baseline=baseline.name,
        measures=record.measures | {f"delta_{key}": gained.deltas[key] for key in COMPARED},
        intervals=record.intervals | {f"delta_{key}": gained.intervals[key] for key in COMPARED},
        p_value=gained.p_values["NDCG@10"],
    )


def sensitivity(ways: Sequence[dict[int, Order]]) -> dict[str, float]:
    """Mean overlap and Kendall's tau of the top 10 over all pairs of orders of a user's list."""
    pairs = [
        (one[user].places, other[user].places)
        for at, one in enumerate(ways)
        for other in ways[at + 1 :]
        for user in one
    ]
    if not pairs:
        return {}
    return {
        "overlap@10": float(np.mean([overlap(a, b, TOP) for a, b in pairs])),
        "tau@10": float(np.mean([kendall_tau(a, b, TOP) for a, b in pairs])),
    }


def _ranks(test: Sequence[UserList], orders: dict[int, Order]) -> NDArray[np.int64]:
    return np.array(
        [
            rank_in(orders[entry.user], entry.rank, len(entry.candidates))
            if entry.hit
            else entry.rank
            for entry in test
        ],
        np.int64,
    )


def report(
    records: Sequence[Record], say: Callable[[str], None], json_file: Path | None = None
) -> None:
    """Print the rows as a table, and write them as records.

    Args:
        records: The rows.
        say: Prints a line.
        json_file: Where the records are written; `palr.outputs.STDOUT` to print them in the place
            of the table, None for nowhere.

    Raises:
        UnwritableError: the file cannot be written; see `palr.outputs.save`.
    """
    if json_file == STDOUT:
        print(to_json(records), flush=True)
        return
    head = f"{'model':20} {'part':12} {'users':>6}  {'HR@10':>7} {'NDCG@10':>8}  gain (p)"
    say(head)
    for record in records:
        gain = ""
        if record.p_value is not None:
            gain = f"{record.measures['delta_NDCG@10']:+.4f} (p = {record.p_value:.2g})"
        say(
            f"{record.model:20} {record.part:12} {record.n_users:6,}  "
            f"{record.measures['HR@10']:7.4f} {record.measures['NDCG@10']:8.4f}  {gain}"
        )
    if json_file:
        save({json_file: f"{to_json(records)}\n"})
