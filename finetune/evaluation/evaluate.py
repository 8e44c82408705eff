"""The whole pipeline, measured: retriever -> top 50 -> LLM -> top 10.

Every sampled user counts, and a target that was not retrieved is a miss: nothing is ever put into
the candidates. Whatever the order of a list without its target, the user's gain is zero, so for HR
and NDCG only lists that hold it are run. ``valid_share``, popularity lift and the sensitivity to
positions are over users that were drawn whatever their lists hold.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from finetune.configs import RETRIEVER
from finetune.data.build import chosen_users
from finetune.data.lists import (
    Order,
    UserList,
    digest,
    fit_mix,
    mix_features,
    mixed,
    sample,
    served,
    user_lists,
)
from finetune.evaluation.rankers import Evaluation, Sampling, System, SystemRunner
from finetune.evaluation.records import (
    Baseline,
    apart,
    kept_ranks,
    retriever_row,
    sensitivity,
    system_row,
)
from finetune.training.record import read_record, sha256
from palr.data.progress import Progress, silent
from palr.errors import DataError, PalrError
from palr.evaluation.experiment import evaluated_models
from palr.evaluation.records import Record
from palr.llm.adapters import WEIGHTS
from palr.ranking.modes import get_mode
from palr.recommender import N_CANDIDATES
from palr.retrieval.splits import training_data
from palr.settings import Settings

if TYPE_CHECKING:
    from palr.catalog.catalog import Catalog

_DIGESTED = 50  # users whose lists tell one retriever from another


def evaluate(
    catalog: "Catalog",
    settings: Settings,
    systems: Sequence[System],
    *,
    retriever: str = RETRIEVER,
    baseline: str | None = None,
    sampling: Sampling | None = None,
    profile: Literal["none", "llm"] = "llm",
    transfer: bool = False,
    progress: Progress = silent,
    command: str = "",
) -> list[Record]:
    """Measure how systems rank the lists of test users.

    What was ranked before is taken from the home, so a killed run goes on where it stopped.

    Args:
        catalog: Whose items are meant.
        settings: The settings, for the home and the models.
        systems: The rows: models with or without an adapter.
        retriever: Whose lists they rank.
        baseline: The row that all others are compared with; the retriever by default.
        sampling: Which users are asked.
        profile: Whether the prompts show a profile that the base model writes.
        transfer: Whether adapters of other data sets are admitted; their users are taken to be
            others.
        progress: Told how far the work is.
        command: The command that a record names.

    Returns:
        Records of the retriever alone and of every system; of one that scores all candidates,
        also mixed with the retriever (``<name>-mix``), and of one that adds the retriever's scores,
        also without them (``<name>-alone``). Rows of users seen and unseen in fine-tuning have the
        parts ``test-seen`` and ``test-unseen``.

    Raises:
        PalrError: an adapter is damaged or made from other data, two rows have one name, or none
            has that of the baseline.
    """
    names = [system.name for system in systems]
    if len({*names, retriever}) <= len(names):
        raise PalrError(f"two rows have one name: {', '.join([retriever, *names])}")
    if baseline not in (None, retriever, *names):
        raise PalrError(f"no row is called {baseline!r}; there are: {', '.join(names)}")
    sampling = sampling or Sampling()
    evaluation = opened(catalog, settings, retriever, sampling, profile, progress, command)
    against = Baseline(evaluation.retriever, evaluation.ranks)
    records = [retriever_row(evaluation)]
    for system in sorted(systems, key=lambda each: each.name != baseline):
        records += _measured(evaluation, system, against, transfer)
        if system.name == baseline:
            ranks = kept_ranks(evaluation).recall(system.name, evaluation.sampling.seed).ranks
            against = Baseline(system.name, ranks)
    return records


def opened(
    catalog: "Catalog",
    settings: Settings,
    retriever: str,
    sampling: Sampling,
    profile: Literal["none", "llm"],
    progress: Progress = silent,
    command: str = "",
) -> Evaluation:
    """What all rows share, with the lists of the sampled users.

    Args:
        catalog: Whose items are meant.
        settings: The settings, for the home and the models.
        retriever: Whose lists are ranked.
        sampling: Which users are asked.
        profile: Whether the prompts show a profile.
        progress: Told how far the work is.
        command: The command that a record names.

    Raises:
        PalrError: no test user is left behind those that are skipped.
    """
    data = training_data(catalog)
    served = next(evaluated_models(retriever, data, catalog, settings)).retriever
    n = len(data.split.train)
    users = sample(n, sampling.skip + (sampling.users or n), sampling.seed)[sampling.skip :]
    if not users:
        raise PalrError(f"skip={sampling.skip} leaves none of {n:,} users: lower it")
    others = sample(n, sampling.validation, sampling.seed + 1)
    return Evaluation(
        catalog,
        data,
        settings,
        served.name,
        sampling,
        profile,
        user_lists(served, data, catalog, users, "test", N_CANDIDATES),
        user_lists(served, data, catalog, others, "validation", N_CANDIDATES),
        digest(user_lists(served, data, catalog, range(min(n, _DIGESTED)), "test", N_CANDIDATES)),
        progress,
        command,
    )


def _measured(
    evaluation: Evaluation, system: System, baseline: Baseline, transfer: bool
) -> list[Record]:
    get_mode(system.mode)
    seen = _seen(evaluation, system, transfer)
    runner = SystemRunner(evaluation, system)
    asked = evaluation.asked
    own = runner.orders(asked, "test")
    checksum = sha256(system.adapter / WEIGHTS) if system.adapter else None
    valid = float(np.mean([order.valid for order in own.values()]))
    shuffled = evaluation.checked[: evaluation.sampling.shuffled]
    ways = [runner.orders(shuffled, "test", n) for n in range(evaluation.sampling.shuffles)]

    def rows(name: str, orders: dict[int, Order], more: dict[str, float]) -> list[Record]:
        record = system_row(evaluation, name, orders, baseline)
        record = replace(
            record, base_model=runner.llm.name, adapter_sha256=checksum, valid_share=valid
        )
        record = replace(record, measures=record.measures | more)
        return [record, *apart(evaluation, record, orders, baseline, seen)]

    name = system.name
    if not runner.mix:
        found = rows(name, own, sensitivity(ways))
    else:
        found = rows(
            name,
            _served(own, asked, runner),
            sensitivity([_served(orders, shuffled, runner) for orders in ways]),
        )
        found += rows(f"{name}-alone", own, sensitivity(ways))
    lists = validation_lists(runner) if get_mode(system.mode).scores_all else []
    if not lists:
        return found
    standardise = runner.mix.spread > 0
    weights = fit_mix(*mix_features(lists, standardise))
    fitted = {"mix_model@1": float(weights[0]), "mix_retriever@1": float(weights[1])}
    orders = {
        entry.user: mixed(own[entry.user], entry.candidates, weights, standardise)
        for entry in asked
    }
    return [*found, *rows(f"{name}-mix", orders, fitted)]


def validation_lists(runner: SystemRunner) -> list[tuple[UserList, Order]]:
    """The validation lists that hold their target, as the model orders them."""
    hits = [entry for entry in runner.evaluation.validation if entry.hit]
    known = runner.orders(hits, "validation")
    return [(entry, known[entry.user]) for entry in hits]


def _served(
    orders: dict[int, Order], asked: Sequence[UserList], runner: SystemRunner
) -> dict[int, Order]:
    return {entry.user: served(orders[entry.user], entry.candidates, runner.mix) for entry in asked}


def _seen(evaluation: Evaluation, system: System, transfer: bool) -> set[int]:
    """The users that the adapter was trained on; raises DataError where it may have seen what is
    asked."""
    if system.adapter is None:
        return set()
    manifest, data = read_record(system.adapter).instructions, evaluation.data
    if transfer and manifest.dataset != data.dataset:
        return set()
    if manifest.data_checksum != data.checksum:
        raise DataError(
            f"{system.adapter} was trained on other interactions than {data.dataset} holds and "
            "may have seen what is asked here: train it again, or allow the transfer where it is "
            "of another data set with other users"
        )
    return set(chosen_users(data, manifest.recipe.user_share, manifest.recipe.seed))
