"""The whole pipeline, measured: retriever -> top 50 -> LLM -> top 10.

Every sampled user counts, and a target that was not retrieved is a miss: nothing is ever put into
the candidates. Whatever the order of a list without its target, the user's gain is zero, so for HR
and NDCG only lists that hold it are run. ``valid_share``, popularity lift and the sensitivity to
positions are over users that were drawn whatever their lists hold.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from finetune.adapters import WEIGHTS
from finetune.build import chosen_users
from finetune.judge import TOP, Bench, Contender, Judge, Sampling
from finetune.lists import (
    Case,
    Order,
    cases,
    digest,
    fit_mix,
    mixed,
    order_log_odds,
    rank_in,
    sample,
)
from finetune.record import read_record, sha256, versions
from palr.data.progress import Progress, silent
from palr.errors import DataError, PalrError
from palr.evaluation.agreement import kendall_tau, overlap
from palr.evaluation.kept import KeptRanks, Ranks
from palr.evaluation.metrics import NOTHING, popularity_lift, summary
from palr.evaluation.protocol import part_of
from palr.evaluation.records import Record
from palr.evaluation.significance import compare, intervals
from palr.ranking.mix import SCORED
from palr.ranking.modes import get_mode
from palr.recommender import N_CANDIDATES
from palr.retrieval import load_retriever
from palr.retrieval.splits import training_data
from palr.settings import Settings

if TYPE_CHECKING:
    from palr.catalog import Catalog

COMPARED = ("HR@10", "NDCG@10")
_DIGESTED = 50  # users whose lists tell one retriever from another


def evaluate(
    catalog: "Catalog",
    settings: Settings,
    contenders: Sequence[Contender],
    *,
    retriever: str = "sasrec",
    sampling: Sampling | None = None,
    profile: Literal["none", "llm"] = "llm",
    progress: Progress = silent,
    command: str = "",
) -> list[Record]:
    """Records of the retriever alone and of every contender; of one that scores all candidates,
    also mixed with the retriever (``<name>-mix``), and of one that adds the retriever's scores to
    its own, also without them (``<name>-alone``).

    Rows of users seen and unseen in fine-tuning have the parts ``test-seen`` and ``test-unseen``.
    What was ranked before is taken from the home, so a killed run goes on where it stopped.

    Raises:
        PalrError: an adapter is damaged or made from other data, or two rows have one name.
    """
    names = [contender.name for contender in contenders]
    if len({*names, retriever}) <= len(names):
        raise PalrError(f"two rows have one name: {', '.join([retriever, *names])}")
    sampling = sampling or Sampling()
    bench = opened(catalog, settings, retriever, sampling, profile, progress, command)
    baseline = np.array([case.rank for case in bench.test], np.int64)
    records = [_alone(bench, baseline)]
    for contender in contenders:
        records += _measured(bench, contender, baseline)
    return records


def opened(
    catalog: "Catalog",
    settings: Settings,
    retriever: str,
    sampling: Sampling,
    profile: Literal["none", "llm"],
    progress: Progress = silent,
    command: str = "",
) -> Bench:
    """What all rows share, with the lists of the sampled users.

    Raises:
        PalrError: no test user is left behind those that are skipped.
    """
    data = training_data(catalog)
    served = load_retriever(retriever, catalog, settings)
    n = len(data.split.train)
    users = sample(n, sampling.skip + (sampling.users or n), sampling.seed)[sampling.skip :]
    if not users:
        raise PalrError(f"skip={sampling.skip} leaves none of {n:,} users: lower it")
    others = sample(n, sampling.validation, sampling.seed + 1)
    return Bench(
        catalog,
        data,
        settings,
        served.name,
        sampling,
        profile,
        cases(served, data, catalog, users, "test", N_CANDIDATES),
        cases(served, data, catalog, others, "validation", N_CANDIDATES),
        digest(cases(served, data, catalog, range(min(n, _DIGESTED)), "test", N_CANDIDATES)),
        progress,
        command,
    )


def _measured(bench: Bench, contender: Contender, baseline: NDArray[np.int64]) -> list[Record]:
    get_mode(contender.mode)
    seen = _seen(bench, contender)
    judge = Judge(bench, contender)
    prior = judge.prior
    checked = [case for case in bench.test[: bench.sampling.checked] if case.candidates]
    wanted = list({c.user: c for c in [*checked, *(c for c in bench.test if c.hit)]}.values())
    own = judge.orders(wanted, "test")
    worn = sha256(contender.adapter / WEIGHTS) if contender.adapter else None
    valid = float(np.mean([order.valid for order in own.values()]))
    shuffled = checked[: bench.sampling.shuffled]
    ways = [judge.orders(shuffled, "test", n) for n in range(bench.sampling.shuffles)]

    def rows(name: str, orders: dict[int, Order], more: dict[str, float]) -> list[Record]:
        record = _row(bench, name, orders, checked, baseline, seen)
        record = replace(record, base_model=judge.llm.name, adapter_sha256=worn, valid_share=valid)
        record = replace(record, measures=record.measures | more)
        return [record, *_apart(bench, record, orders, baseline, seen)]

    name = contender.name
    if not prior:
        found = rows(name, own, sensitivity(ways))
    else:
        given = np.array([1.0, prior])
        served = [_mixed(orders, shuffled, given) for orders in ways]
        found = rows(name, _mixed(own, wanted, given), sensitivity(served))
        found += rows(f"{name}-alone", own, sensitivity(ways))
    weights = mix_weights(judge) if contender.mode in SCORED else None
    if weights is None:
        return found
    fitted = {"mix_model@1": float(weights[0]), "mix_retriever@1": float(weights[1])}
    return [*found, *rows(f"{name}-mix", _mixed(own, wanted, weights), fitted)]


def mix_weights(judge: Judge) -> NDArray[np.float64] | None:
    """What the model's and the retriever's scores should count, fitted on the validation lists that
    hold their target; None where there is none."""
    hits = [case for case in judge.bench.validation if case.hit]
    if not hits:
        return None
    known = judge.orders(hits, "validation")
    return fit_mix(
        [order_log_odds(known[case.user], case.candidates) for case in hits],
        [case.rank - 1 for case in hits],
    )


def _mixed(
    orders: dict[int, Order], asked: Sequence[Case], weights: NDArray[np.float64]
) -> dict[int, Order]:
    return {case.user: mixed(orders[case.user], case.candidates, weights) for case in asked}


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


def _ranks(test: Sequence[Case], orders: dict[int, Order]) -> NDArray[np.int64]:
    return np.array(
        [
            rank_in(orders[case.user], case.rank, len(case.candidates)) if case.hit else case.rank
            for case in test
        ],
        np.int64,
    )


def _row(
    bench: Bench,
    name: str,
    orders: dict[int, Order],
    checked: Sequence[Case],
    baseline: NDArray[np.int64],
    seen: set[int],
) -> Record:
    ranks = _ranks(bench.test, orders)
    lists = {
        case.user: [case.candidates[place - 1].item.id for place in orders[case.user].places[:TOP]]
        for case in checked
    }
    seconds = sum(order.seconds for order in orders.values())
    record = _record(bench, name, ranks, lists, seconds, len(orders))
    users = np.array([case.user for case in bench.test], np.int64)
    kept = KeptRanks(bench.settings, bench.data.dataset, bench.data.protocol, "test")
    kept.keep(Ranks(record.name, users, ranks, bench.data.checksum))
    return _against(record, ranks, baseline, bench.retriever)


def _apart(
    bench: Bench,
    record: Record,
    orders: dict[int, Order],
    baseline: NDArray[np.int64],
    seen: set[int],
) -> list[Record]:
    """The same row over the users that were in the instructions, and over all others."""
    if not seen:
        return []
    ranks = _ranks(bench.test, orders)
    was = np.array([case.user in seen for case in bench.test])
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
            rows.append(_against(row, ranks[mask], baseline[mask], bench.retriever))
    return rows


def _alone(bench: Bench, ranks: NDArray[np.int64]) -> Record:
    """The retriever's own order of the same lists."""
    checked = [case for case in bench.test[: bench.sampling.checked] if case.candidates]
    lists = {case.user: [c.item.id for c in case.candidates[:TOP]] for case in checked}
    return _record(bench, bench.retriever, ranks, lists, 0.0, len(ranks))


def _record(
    bench: Bench,
    name: str,
    ranks: NDArray[np.int64],
    lists: dict[int, list[str]],
    seconds: float,
    n_lists: int,
) -> Record:
    data = bench.data
    index = {item: at for at, item in enumerate(data.item_ids)}
    histories, _ = part_of(data.split, "test")
    shown = np.full((max(len(lists), 1), TOP), NOTHING, np.int64)
    for row, items in enumerate(lists.values()):
        shown[row, : len(items)] = [index[item] for item in items]
    popularity = np.bincount(np.concatenate(data.split.train), minlength=len(index))
    return Record(
        dataset=data.dataset,
        model=name,
        seed=bench.sampling.seed,
        protocol=data.protocol,
        part="test",
        n_users=len(ranks),
        n_items=len(index),
        measures=summary(ranks),
        intervals=intervals(ranks),
        popularity_lift=popularity_lift(shown, [histories[user] for user in lists], popularity),
        unserved=sum(1 for case in bench.test if not case.candidates),
        seconds=round(seconds, 3),
        users_per_second=round(n_lists / seconds, 3) if seconds else 0.0,
        data_checksum=data.checksum,
        command=bench.command,
        versions=versions(),
    )


def _against(
    record: Record, ranks: NDArray[np.int64], baseline: NDArray[np.int64], name: str
) -> Record:
    gained = compare(ranks, baseline)
    return replace(
        record,
        baseline=name,
        measures=record.measures | {f"delta_{key}": gained.deltas[key] for key in COMPARED},
        intervals=record.intervals | {f"delta_{key}": gained.intervals[key] for key in COMPARED},
        p_value=gained.p_values["NDCG@10"],
    )


def _seen(bench: Bench, contender: Contender) -> set[int]:
    """The users that the adapter was trained on; raises DataError where it is of other data."""
    if contender.adapter is None:
        return set()
    manifest = read_record(contender.adapter).instructions
    if manifest.data_checksum != bench.data.checksum:
        raise DataError(
            f"{contender.adapter} was trained on other interactions than {bench.data.dataset} "
            "holds and may have seen what is asked here; train it again"
        )
    return set(chosen_users(bench.data, manifest.recipe.user_share, manifest.recipe.seed))


def report(records: Sequence[Record], say: Callable[[str], None]) -> None:
    """The rows as a table for a terminal."""
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
