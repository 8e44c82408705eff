"""The whole pipeline, measured: retriever -> top 50 -> LLM -> top 10.

Every sampled user counts, and a target that was not retrieved is a miss: nothing is ever put into
the candidates. Whatever the order of a list without its target, the user's gain is zero, so for HR
and NDCG only lists that hold it are run. ``valid_share``, popularity lift and the sensitivity to
positions are over users that were drawn whatever their lists hold.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from finetune.adapters import WEIGHTS, modes
from finetune.build import chosen_users
from finetune.lists import (
    Case,
    Kept,
    KeptProfiles,
    Order,
    cases,
    fit_mix,
    mixed,
    order_log_odds,
    rank_in,
    sample,
)
from finetune.record import read_record, sha256, versions
from palr.data.progress import Progress, silent
from palr.domains import HISTORY_LIMIT
from palr.errors import DataError, PalrError
from palr.evaluation.agreement import kendall_tau, overlap
from palr.evaluation.kept import KeptRanks, Ranks
from palr.evaluation.metrics import NOTHING, popularity_lift, summary
from palr.evaluation.protocol import Part, part_of
from palr.evaluation.records import Record
from palr.evaluation.significance import compare, intervals
from palr.llm.transformers import TransformersLLM
from palr.profile import write_profile
from palr.ranking import DEFAULT_MODE, Job, fit_ranking_prompt, rank_many
from palr.ranking.mix import SCORED
from palr.ranking.modes import get_mode
from palr.recommender import N_CANDIDATES
from palr.retrieval import load_retriever
from palr.retrieval.splits import TrainingData, training_data
from palr.settings import Settings
from palr.types import Keyword, Profile, Ranking

if TYPE_CHECKING:
    from palr.catalog import Catalog

TOP = 10
COMPARED = ("HR@10", "NDCG@10")
_CHUNK = 64  # lists that are ranked before they are kept


@dataclass(frozen=True)
class Sampling:
    """Who is asked: ``users`` of the test part (0: all), ``validation`` users for the mix,
    ``checked`` users whatever their lists hold, ``shuffled`` of these in ``shuffles`` orders."""

    users: int = 1500
    validation: int = 500
    checked: int = 100
    shuffled: int = 40
    shuffles: int = 5
    seed: int = 0


@dataclass(frozen=True)
class Contender:
    """A row: the base model, with an adapter's folder or without; ``mode`` is how it is read."""

    name: str
    adapter: Path | None = None
    mode: str = DEFAULT_MODE


@dataclass(frozen=True)
class Bench:
    """What all rows share."""

    catalog: "Catalog"
    data: TrainingData
    settings: Settings
    retriever: str
    sampling: Sampling
    profile: Literal["none", "llm"]
    test: list[Case]
    validation: list[Case]
    progress: Progress
    command: str

    @property
    def folder(self) -> Path:
        return self.settings.home / "evaluations" / self.data.dataset / "reranking"


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
    also mixed with the retriever (``<name>-mix``).

    Rows of users seen and unseen in fine-tuning have the parts ``test-seen`` and ``test-unseen``.
    What was ranked before is taken from the home, so a killed run goes on where it stopped.

    Raises:
        PalrError: an adapter is damaged or made from other data, or two rows have one name.
    """
    sampling = sampling or Sampling()
    names = [contender.name for contender in contenders]
    if len({*names, retriever}) <= len(names):
        raise PalrError(f"two rows have one name: {', '.join([retriever, *names])}")
    data = training_data(catalog)
    served = load_retriever(retriever, catalog, settings)
    n = len(data.split.train)
    users = sample(n, sampling.users or n, sampling.seed)
    others = sample(n, sampling.validation, sampling.seed + 1)
    bench = Bench(
        catalog,
        data,
        settings,
        served.name,
        sampling,
        profile,
        cases(served, data, catalog, users, "test", N_CANDIDATES),
        cases(served, data, catalog, others, "validation", N_CANDIDATES),
        progress,
        command,
    )
    baseline = np.array([case.rank for case in bench.test], np.int64)
    records = [_alone(bench, baseline)]
    for contender in contenders:
        records += _measured(bench, contender, baseline)
    return records


def contender(text: str) -> Contender:
    """A row as the command line names it: ``ROW=FOLDER``, read in the adapter's own first mode, or
    ``ROW=FOLDER:MODE``.

    Raises:
        PalrError: the text is malformed, or there is no adapter.
    """
    name, equals, place = text.partition("=")
    place, _, mode = place.partition(":")
    folder = Path(place)
    if not equals or not (folder / WEIGHTS).is_file():
        raise PalrError(f"{text!r} names no adapter: write ROW=FOLDER, a folder with {WEIGHTS}")
    return Contender(name, folder, get_mode(mode).name if mode else modes(read_record(folder))[0])


class Judge:
    """Asks one contender, unless the answer is kept; loads its model when first needed."""

    def __init__(self, bench: Bench, contender: Contender) -> None:
        self._bench, self.contender = bench, contender
        self._llm: TransformersLLM | None = None
        self._base: TransformersLLM | None = None
        settings = bench.settings
        made_of = sha256(contender.adapter / WEIGHTS) if contender.adapter else "zero-shot"
        parts = [made_of, contender.mode, bench.profile, bench.retriever, bench.data.checksum]
        parts += [settings.llm, settings.dtype, _retriever_digest(bench)]
        signature = hashlib.sha256(" ".join(parts).encode()).hexdigest()[:12]
        self.folder = bench.folder / f"{contender.name}-{signature}"
        self._profiles = {
            part: KeptProfiles(bench.folder / f"profiles-{part}.jsonl")
            for part in ("test", "validation")
        }

    @property
    def llm(self) -> TransformersLLM:
        if self._llm is None:
            adapter = str(self.contender.adapter or "")
            self._llm = TransformersLLM.load(
                self._bench.settings.model_copy(update={"adapter": adapter})
            )
        return self._llm

    def orders(
        self, wanted: Sequence[Case], part: Part, shuffle: int | None = None
    ) -> dict[int, Order]:
        """The contender's order of each list; ``shuffle`` numbers a random order of the list."""
        kept = Kept(self.folder / f"{part}{'' if shuffle is None else f'-shuffle-{shuffle}'}.jsonl")
        missing = [case for case in wanted if case.user not in kept.orders]
        what = f"{self.contender.name}, {part}" + ("" if shuffle is None else f", order {shuffle}")
        done = 0
        for begin in range(0, len(missing), _CHUNK):
            chunk = missing[begin : begin + _CHUNK]
            jobs = [self._job(at, case, part, shuffle) for at, case in enumerate(chunk)]
            k = N_CANDIDATES if self.contender.mode in SCORED else TOP
            since = time.perf_counter()
            for at, ranking in rank_many(jobs, self.llm, k, self.contender.mode):
                took, since = time.perf_counter() - since, time.perf_counter()
                kept.add(self._order(chunk[at], ranking, took))
                done += 1
                self._bench.progress(what, done, len(missing), "lists")
        return {case.user: kept.orders[case.user] for case in wanted}

    def _job(self, at: int, case: Case, part: Part, shuffle: int | None) -> Job:
        candidates = case.candidates
        if shuffle is not None:
            rng = np.random.default_rng([self._bench.sampling.seed, shuffle, case.user])
            candidates = tuple(candidates[at] for at in rng.permutation(len(candidates)))
        prompt, names = fit_ranking_prompt(
            self._bench.catalog.domain,
            case.history[-HISTORY_LIMIT:],
            self._profile(case, part),
            candidates,
            TOP,
            self.llm,
            self.contender.mode,
        )
        return Job(at, prompt, names, candidates)

    def _order(self, case: Case, ranking: Ranking, seconds: float) -> Order:
        scored = self.contender.mode in SCORED
        places = tuple(item.retriever_rank for item in ranking.items)
        scores = tuple(item.logprob or 0.0 for item in ranking.items) if scored else ()
        known = {candidate.item.id for candidate in case.candidates}
        top = [item.item.id for item in ranking.items[:TOP]]
        valid = len(set(top)) == len(top) == min(TOP, len(known)) and set(top) <= known
        return Order(case.user, places, scores, valid, seconds)

    def _profile(self, case: Case, part: Part) -> Profile | None:
        """The profile that the base model writes: it is the same for every contender."""
        if self._bench.profile == "none":
            return None
        kept = self._profiles[part]
        if case.user not in kept.profiles:
            if self._base is None:
                plain = self._bench.settings.model_copy(update={"adapter": ""})
                self._base = TransformersLLM.load(plain) if self.contender.adapter else self.llm
            history = case.history[-HISTORY_LIMIT:]
            *_, profile = write_profile(history, self._bench.catalog, self._base)
            kept.add(case.user, [keyword.text for keyword in profile.keywords], profile.text)
        keywords, text = kept.profiles[case.user]
        return Profile(tuple(Keyword(keyword, ()) for keyword in keywords), text)


def _measured(bench: Bench, contender: Contender, baseline: NDArray[np.int64]) -> list[Record]:
    get_mode(contender.mode)
    seen = _seen(bench, contender)
    judge = Judge(bench, contender)
    checked = [case for case in bench.test[: bench.sampling.checked] if case.candidates]
    wanted = list({c.user: c for c in [*checked, *(c for c in bench.test if c.hit)]}.values())
    orders = judge.orders(wanted, "test")
    shuffled = checked[: bench.sampling.shuffled]
    record = replace(
        _row(bench, contender.name, orders, checked, baseline, seen),
        base_model=judge.llm.name,
        valid_share=float(np.mean([order.valid for order in orders.values()])),
    )
    ways = [judge.orders(shuffled, "test", n) for n in range(bench.sampling.shuffles)]
    measures = record.measures | sensitivity(ways)
    rows = [replace(record, measures=measures)]
    rows += _apart(bench, rows[0], orders, baseline, seen)
    if contender.mode not in SCORED:
        return rows
    hits = [case for case in bench.validation if case.hit]
    if not hits:
        return rows
    known = judge.orders(hits, "validation")
    weights = fit_mix(
        [order_log_odds(known[case.user], case.candidates) for case in hits],
        [case.rank - 1 for case in hits],
    )
    mix = {case.user: mixed(orders[case.user], case.candidates, weights) for case in wanted}
    name = f"{contender.name}-mix"
    both = _row(bench, name, mix, checked, baseline, seen)
    both = replace(both, base_model=record.base_model, valid_share=record.valid_share)
    both = replace(
        both,
        measures=both.measures
        | {"mix_model@1": float(weights[0]), "mix_retriever@1": float(weights[1])},
    )
    return [*rows, both, *_apart(bench, both, mix, baseline, seen)]


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


def _retriever_digest(bench: Bench) -> str:
    """Stands for the lists themselves: another retriever draws others."""
    lines = "\n".join(
        " ".join([str(case.user), *(c.item.id for c in case.candidates)])
        for case in bench.test[:50]
    )
    return hashlib.sha256(lines.encode()).hexdigest()


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
