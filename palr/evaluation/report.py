"""Records as tables: for a terminal, and as the counterpart of the paper's Table 2."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from palr.data.datasets import DATASETS
from palr.evaluation.records import Record
from palr.evaluation.significance import Comparison
from palr.retrieval import RETRIEVERS

NONE = "\N{EN DASH}"
SHOWN = ("HR@10", "NDCG@10", "HR@50")

# Names and order of the table's rows, from the simplest to the paper's own.
LABELS = {
    **{name: entry.label for name, entry in reversed(RETRIEVERS.items())},
    "zero-shot": "Zero-shot",
    "palr-v1": "PALR_v1",
    "palr-v1-mix": "PALR_v1, mixed with the retriever's score by weights fitted on validation",
    "palr-v2": "PALR_v2",
    "palr-v2-alone": "PALR_v2, without the retriever's score",
    "palr-v2-mix": "PALR_v2, mixed with the retriever's score by weights fitted on validation",
    "palr-v2-steered": "PALR_v2, steered",
    "palr-v2-steered-alone": "PALR_v2, steered, without the retriever's score",
    "palr-v2-paper": "PALR_v2 by the paper's recipe",
    "palr-v2-unenriched": "... without enrichment",
    "palr-v2-unswapped": "... without swaps",
    "teacher": "The teacher",
    "teacher-meaning": "... by semantic similarity and shared keywords only",
    "teacher-popularity": "... by popularity only",
    "teacher-together": "... by co-occurrence only",
}


@dataclass(frozen=True)
class Published:
    """HR@10 and NDCG@10 as a publication prints them."""

    hit_rate: float
    ndcg: float


PAPER_SOURCE = "arXiv 2305.07622, Table 2"
PAPER: Mapping[str, Mapping[str, Published]] = {
    "ml-1m": {
        "bpr-mf": Published(0.0354, 0.0158),
        "ncf": Published(0.0313, 0.0143),
        "gru4rec": Published(0.1017, 0.0468),
        "caser": Published(0.1338, 0.0614),
        "sasrec-bce": Published(0.1978, 0.1192),
        "palr-v1": Published(0.1216, 0.0569),
        "palr-v2": Published(0.2110, 0.1276),
    },
    "beauty": {
        "bpr-mf": Published(0.0299, 0.0122),
        "ncf": Published(0.0293, 0.0130),
        "gru4rec": Published(0.0194, 0.0091),
        "caser": Published(0.0282, 0.0136),
        "sasrec-bce": Published(0.0617, 0.0283),
        "palr-v1": Published(0.0181, 0.0101),
        "palr-v2": Published(0.0721, 0.0446),
    },
}


def table(records: Sequence[Record]) -> str:
    """Aligned columns for a terminal, one row for each record."""
    head = ["model", "seed", *SHOWN, "lift", "coverage", "unserved", "users/s"]
    rows = [head]
    for record in records:
        row = [record.model, str(record.seed)]
        for name in SHOWN:
            low, high = record.intervals[name]
            row.append(f"{record.measures[name]:.4f} [{low:.4f}, {high:.4f}]")
        row += [f"{record.popularity_lift:.2f}", f"{record.measures['coverage@10']:.1%}"]
        rows.append([*row, f"{record.unserved:,}", f"{record.users_per_second:,.0f}"])
    lines = _aligned(rows)
    for record in records:
        if record.baseline and record.p_value is not None:
            low, high = record.intervals["delta_NDCG@10"]
            gain = record.measures["delta_NDCG@10"]
            lines.append(
                f"{record.name} over {record.baseline}: NDCG@10 {gain:+.4f} "
                f"[{low:+.4f}, {high:+.4f}], p = {record.p_value:.2g}"
            )
    if records:
        first = records[0]
        lines.append(
            f"{first.dataset}, {first.protocol}, {first.part} part: {first.n_users:,} users, "
            f"{first.n_items:,} items; 95% intervals"
        )
    return "\n".join(lines)


def comparison_table(name: str, baseline: str, n_users: int, comparison: Comparison) -> str:
    """A comparison as a table for a terminal, one row for each metric.

    Args:
        name: The model's name.
        baseline: Name of the model that it is compared with.
        n_users: Users of the comparison.
        comparison: What the model gains.
    """
    rows = [["metric", "gain", "95% interval", "p"]]
    for metric, gain in comparison.deltas.items():
        low, high = comparison.intervals[metric]
        p = f"{comparison.p_values[metric]:.2g}"
        rows.append([metric, f"{gain:+.4f}", f"[{low:+.4f}, {high:+.4f}]", p])
    return "\n".join([f"{name} over {baseline}, {n_users:,} users", *_aligned(rows)])


def table_2(records: Sequence[Record]) -> str:
    """The paper's Table 2 (section 3.2) in Markdown, with the paper's figures beside ours.

    Several seeds of a model are one row: mean and standard deviation over them. A single seed shows
    the half-width of its bootstrap interval. A dash marks figures that are missing.
    """
    rows = [
        "| Data set | Model | HR@10 | NDCG@10 | HR@50 | Seeds | Paper: HR@10 | Paper: NDCG@10 |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for dataset in DATASETS.values():
        ours: dict[str, list[Record]] = {}
        for record in records:
            if record.dataset == dataset.key:
                ours.setdefault(record.model, []).append(record)
        if not ours:
            continue
        paper = PAPER.get(dataset.key, {})
        for model in _in_order({*ours, *paper}):
            runs = ours.get(model, [])
            figures = [_figure(runs, name) for name in SHOWN]
            seeds = str(len(runs)) if runs else NONE
            there = paper.get(model)
            theirs = [f"{there.hit_rate:.4f}", f"{there.ndcg:.4f}"] if there else [NONE, NONE]
            cells = [dataset.label, LABELS.get(model, model), *figures, seeds, *theirs]
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _in_order(models: set[str]) -> list[str]:
    known = list(LABELS)
    return sorted(models, key=lambda m: (known.index(m) if m in LABELS else len(known), m))


def _figure(runs: Sequence[Record], name: str) -> str:
    if not runs:
        return NONE
    values = [run.measures[name] for run in runs]
    if len(runs) > 1:
        spread = float(np.std(values, ddof=1))
    else:
        low, high = runs[0].intervals[name]
        spread = (high - low) / 2
    return f"{np.mean(values):.4f} ± {spread:.4f}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
