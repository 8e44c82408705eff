"""Measure retrievers on a data set: ``python -m palr evaluate``.

What a retriever learns from (`palr.retrieval.learning`) decides how it is measured, so that none
has seen the held-out items.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import assert_never

import numpy as np

from palr.catalog.catalog import Catalog
from palr.data.progress import Progress, silent
from palr.errors import PalrError, RetrieverUnavailableError
from palr.evaluation.kept import KeptRanks, Ranks, compare_kept
from palr.evaluation.metrics import LIST_LENGTH, coverage, popularity_lift
from palr.evaluation.protocol import Part, evaluate, part_of
from palr.evaluation.records import Record, Training
from palr.evaluation.significance import intervals
from palr.retrieval import (
    RETRIEVERS,
    Ensemble,
    FittedAtLoad,
    NoInteractions,
    TrainedWeights,
    weights,
)
from palr.retrieval.base import Retriever
from palr.retrieval.blend import BlendRetriever
from palr.retrieval.splits import LEAVE_ONE_OUT, PROTOCOLS, TrainingData, training_data
from palr.settings import Settings

COMPARED = ("HR@10", "NDCG@10")


@dataclass(frozen=True)
class EvaluatedModel:
    """A retriever that has not seen the held-out items.

    Attributes:
        retriever: The model.
        seed: Seed of its training; 0 where it draws nothing.
        training: The essentials of its run record, where it has trained weights.
    """

    retriever: Retriever
    seed: int = 0
    training: Training | None = None


def measure(
    models: Sequence[str],
    catalog: Catalog,
    settings: Settings,
    *,
    protocol: str = LEAVE_ONE_OUT,
    part: Part = "test",
    folders: Sequence[Path] = (),
    baseline: str | None = None,
    progress: Progress = silent,
) -> list[Record]:
    """Measure retrievers on one part of a split of the catalog (paper, section 3.1.2).

    Args:
        models: Keys of `RETRIEVERS`.
        catalog: A catalog with interactions.
        settings: Where weights lie, and where the ranks are kept (`KeptRanks`).
        protocol: How the interactions are split, one of `PROTOCOLS`.
        part: Which held-out items are ranked.
        folders: Folders of weights, in the place of the installed and shipped ones.
        baseline: A model, measured now or earlier, that every other one is compared with.
        progress: Is called with the users done.

    Returns:
        One record for each model, and for each of ``folders`` that holds weights of it.

    Raises:
        RetrieverUnavailableError: a model is unknown, its weights are missing, damaged, of another
            protocol or of other data; or the catalog has no interactions.
        DataError: no ranks of the baseline are kept.
    """
    data = training_data(catalog, protocol)
    kept = KeptRanks(settings, catalog.dataset, protocol, part)
    found = [
        model
        for name in dict.fromkeys(models)
        for model in evaluated_models(name, data, catalog, settings, folders)
    ]
    _no_duplicates(found)
    records = []
    for model in found:
        record, ranks = _measure(model, data, catalog, part, progress)
        command = _command(record, folders if model.training else (), baseline)
        records.append(replace(record, command=command))
        kept.keep(ranks)
    if baseline is None:
        return records
    return [_against(record, baseline, kept) for record in records]


def evaluated_models(
    name: str,
    data: TrainingData,
    catalog: Catalog,
    settings: Settings,
    folders: Sequence[Path] = (),
) -> Iterator[EvaluatedModel]:
    """A retriever as it is measured: without having learnt from the held-out items.

    Args:
        name: A key of `RETRIEVERS`; its ``learns`` decides how the model is made.
        data: The split that it is measured on.
        catalog: The catalog that ``data`` came from.
        settings: Where weights and models lie.
        folders: Folders of weights, in the place of the installed and shipped ones.

    Yields:
        One model, or one for each of ``folders`` that holds weights of it.

    Raises:
        RetrieverUnavailableError: see `measure`.
    """
    if name not in RETRIEVERS:
        raise RetrieverUnavailableError(
            f"unknown retriever {name!r}; choose from: {', '.join(RETRIEVERS)}"
        )
    entry = RETRIEVERS[name]
    match entry.learns:
        case TrainedWeights(architecture):
            for path in _weights(name, data, settings, folders):
                yield _trained(path, architecture, data, catalog)
        case FittedAtLoad(fit):
            text = _without_interactions(catalog)
            items = [text.item(item_id) for item_id in data.item_ids]
            yield EvaluatedModel(fit(items, data.split.train))
        case Ensemble(expert_weights):
            experts = [
                (next(evaluated_models(expert, data, catalog, settings)).retriever, weight)
                for expert, weight in expert_weights(data.dataset).items()
            ]
            yield EvaluatedModel(BlendRetriever(experts))
        case NoInteractions():
            yield EvaluatedModel(entry(_without_interactions(catalog), settings))
        case unknown:
            assert_never(unknown)


def _without_interactions(catalog: Catalog) -> Catalog:
    """The same items, with nothing left that tells who chose what, or how many did."""
    items = tuple(replace(item, popularity=0) for item in catalog.items)
    return Catalog(catalog.dataset, catalog.domain, items)


def _weights(
    model: str, data: TrainingData, settings: Settings, folders: Sequence[Path]
) -> list[Path]:
    roots = folders or (weights.user_folder(settings), weights.SHIPPED)
    found = {
        protocol: [
            path
            for root in roots
            if (path := weights.place(model, data.dataset, root, protocol)).is_file()
        ]
        for protocol in PROTOCOLS
    }
    if paths := found[data.protocol]:
        return paths if folders else paths[:1]
    where = f" in {' or '.join(map(str, folders))}" if folders else ""
    others = " and ".join(protocol for protocol, paths in found.items() if paths)
    why = f"; those of {others} may have seen what this protocol asks for" if others else ""
    option = "" if data.protocol == LEAVE_ONE_OUT else f" --protocol {data.protocol}"
    raise RetrieverUnavailableError(
        f"there are no {data.protocol} weights of {model} for {data.dataset}{where}{why}; run "
        f"`python -m palr train-retriever {model} --dataset {data.dataset}{option}`"
    )


def _trained(path: Path, architecture: str, data: TrainingData, catalog: Catalog) -> EvaluatedModel:
    from palr.retrieval.neural import load_file

    retriever, record = load_file(path, architecture, catalog)
    if record.protocol != data.protocol:
        raise RetrieverUnavailableError(
            f"{path} was trained for {record.protocol}, not for {data.protocol}, and may have seen "
            f"what is asked here; run `{record.command}` with the right --protocol"
        )
    if record.data.checksum != data.checksum:
        raise RetrieverUnavailableError(
            f"{path} was trained on other interactions than {data.dataset} holds and may have seen "
            f"what is asked here; run `{record.command}`"
        )
    training = Training(
        command=record.command,
        seconds=record.seconds,
        epochs=record.epochs,
        best_epoch=record.best_epoch,
        parameters=record.parameters,
        versions=record.versions,
        weights_sha256=record.weights_sha256,
    )
    return EvaluatedModel(retriever, record.seed, training)


def _no_duplicates(found: Sequence[EvaluatedModel]) -> None:
    names = [(model.retriever.name, model.seed) for model in found]
    for name, seed in names:
        if names.count((name, seed)) > 1:
            raise PalrError(
                f"two of the folders hold {name} weights of seed {seed}; train with another --seed"
            )


def _measure(
    model: EvaluatedModel,
    data: TrainingData,
    catalog: Catalog,
    part: Part,
    progress: Progress,
) -> tuple[Record, Ranks]:
    retriever, split = model.retriever, data.split
    items = {item_id: catalog.item(item_id) for item_id in data.item_ids}
    result = evaluate(retriever, split, items, part, progress=progress)
    histories, _ = part_of(split, part)
    popularity = np.bincount(np.concatenate(split.train), minlength=len(items))
    n_users = len(result.ranks)
    record = Record(
        dataset=data.dataset,
        model=retriever.name,
        seed=model.seed,
        protocol=data.protocol,
        part=part,
        n_users=n_users,
        n_items=len(items),
        measures=result.metrics | {f"coverage@{LIST_LENGTH}": coverage(result.lists, len(items))},
        intervals=intervals(result.ranks),
        popularity_lift=popularity_lift(result.lists, histories, popularity),
        unserved=result.unserved,
        seconds=round(result.seconds, 3),
        users_per_second=round(n_users / result.seconds, 1),
        data_checksum=data.checksum,
        command="",
        versions=weights.versions(),
        training=model.training,
    )
    return record, Ranks(record.name, np.arange(n_users), result.ranks, data.checksum)


def _against(record: Record, baseline: str, kept: KeptRanks) -> Record:
    """The record with what it gains over the baseline; the baseline's own stays as it is."""
    other = kept.recall(baseline, record.seed)
    if other.name == record.name or record.model == baseline:
        return record
    comparison, _ = compare_kept(kept.recall(record.name), other)
    return replace(
        record,
        baseline=other.name,
        measures=record.measures | {f"delta_{name}": comparison.deltas[name] for name in COMPARED},
        intervals=record.intervals
        | {f"delta_{name}": comparison.intervals[name] for name in COMPARED},
        p_value=comparison.p_values["NDCG@10"],
    )


def _command(record: Record, folders: Sequence[Path], baseline: str | None) -> str:
    """The command that makes the record again; folders of this machine are not named in it."""
    command = f"python -m palr evaluate --dataset {record.dataset} --model {record.model}"
    command += f" --protocol {record.protocol}" if record.protocol != LEAVE_ONE_OUT else ""
    command += f" --part {record.part}" if record.part != "test" else ""
    command += " --weights FOLDER" if folders else ""
    return command + (f" --baseline {baseline}" if baseline else "")
