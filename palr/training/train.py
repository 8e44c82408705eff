"""Train a retriever and leave its weights with their run record.

``python -m palr train-retriever sasrec --dataset ml-100k`` is `train` with its plain arguments.
"""

from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from palr.errors import PalrError, SettingsError
from palr.evaluation.protocol import evaluate
from palr.outputs import kept, output_folder
from palr.retrieval import RETRIEVERS, TrainedWeights, weights
from palr.retrieval.neural import NeuralRetriever, build, set_tensors, tensors_of
from palr.retrieval.splits import LEAVE_ONE_OUT, check_protocol, fingerprint, training_data
from palr.retrieval.trainable import Plan
from palr.settings import Settings
from palr.training.distributed import ProcessGroup
from palr.training.fit import fit

if TYPE_CHECKING:
    from palr.catalog.catalog import Catalog


def trainable() -> list[str]:
    """Names of the retrievers that have weights to train."""
    return [name for name, entry in RETRIEVERS.items() if isinstance(entry.learns, TrainedWeights)]


def train(
    model: str,
    catalog: "Catalog",
    settings: Settings,
    seed: int = 0,
    out: Path | None = None,
    *,
    protocol: str = LEAVE_ONE_OUT,
    config: Any = None,
    plan: Plan | None = None,
    quiet: bool = False,
) -> weights.RunRecord:
    """Train a retriever on the training part, evaluate it on both held-out parts, and save it.

    A killed run resumes when it is called again with the same arguments.

    Args:
        model: A key of `RETRIEVERS` whose entry learns by `TrainedWeights`.
        catalog: A catalog with interactions.
        settings: Where checkpoints lie, and the device.
        seed: Seed of initialisation, order and dropout.
        out: Folder for weights and record, see `weights.place`; default ``PALR_HOME/weights``.
        protocol: How the interactions are split, one of `PROTOCOLS`.
        config: The network's hyperparameters, in the place of the tuned ones.
        plan: How it is trained, in the place of the tuned plan.
        quiet: Report no progress.

    Returns:
        The run record.

    Raises:
        PalrError: the model is unknown or has nothing to train, or a folder cannot be written; see
            also `fit`.
        RetrieverUnavailableError: the catalog has no interactions.
    """
    learns = RETRIEVERS[model].learns if model in RETRIEVERS else None
    if not isinstance(learns, TrainedWeights):
        raise PalrError(f"{model!r} cannot be trained; choose one of: {', '.join(trainable())}")
    out = out or weights.user_folder(settings)
    check_protocol(protocol)
    folders = [
        weights.place(model, catalog.dataset, root, protocol).parent
        for root in (out, settings.home / "checkpoints")
    ]
    for folder in folders:  # an hour of training should not end in a refusal known at its start
        output_folder(str(folder))
    checkpoint = folders[1] / f"{model}-{seed}.pt"
    data = training_data(catalog, protocol)
    tuned = import_module(learns.architecture).TUNED
    default_config, default_plan = tuned.get(catalog.dataset, tuned["default"])
    config, plan = config or default_config, plan or default_plan
    hyperparameters = {"model": asdict(config), "plan": asdict(plan)}

    torch.manual_seed(seed)
    device = training_device(settings)
    group = ProcessGroup(cpu=device.type == "cpu")
    device = group.device or device
    network = build(learns.architecture, data.n_items, hyperparameters["model"]).to(device)
    signature = f"{model} {seed} {data.checksum} {hyperparameters}"
    outcome = fit(network, data.split, plan, seed, checkpoint, signature, quiet)

    tensors = tensors_of(network)
    set_tensors(network, tensors)  # measure what will be served: the rounded weights
    items = {item_id: catalog.item(item_id) for item_id in data.item_ids}
    retriever = NeuralRetriever(model, network, tuple(items.values()))
    record = weights.RunRecord(
        model=model,
        dataset=catalog.dataset,
        command=_command(model, catalog.dataset, seed, protocol),
        protocol=protocol,
        seed=seed,
        hyperparameters=hyperparameters,
        data=weights.DataRecord(
            users=data.n_users,
            items=data.n_items,
            interactions=data.n_interactions,
            checksum=data.checksum,
            item_fingerprint=fingerprint(data.item_ids),
        ),
        validation=evaluate(retriever, data.split, items, "validation").metrics,
        test=evaluate(retriever, data.split, items, "test").metrics,
        best_epoch=outcome.best_epoch,
        epochs=outcome.epochs,
        seconds=round(outcome.seconds, 1),
        parameters=sum(p.numel() for p in network.parameters()),
        versions=weights.versions() | {"threads": str(torch.get_num_threads())},
    )
    path = weights.place(model, catalog.dataset, out, protocol)
    if group.is_main:
        kept(out, lambda folder: weights.save(record, tensors, folder))
    group.broadcast(None)  # wait until the file is there
    return weights.load(path)[0]


def _command(model: str, dataset: str, seed: int, protocol: str) -> str:
    command = f"python -m palr train-retriever {model} --dataset {dataset} --seed {seed}"
    return command if protocol == LEAVE_ONE_OUT else f"{command} --protocol {protocol}"


def training_device(settings: Settings) -> torch.device:
    """The device that retrievers are trained on; raises SettingsError where it cannot be used."""
    name = settings.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise SettingsError(f"PALR_DEVICE={name} cannot be used here ({error}); try cpu") from error
