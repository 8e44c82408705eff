"""The training loop of every neural retriever, with early stopping.

It knows nothing of architectures: `palr.retrieval.trainable.Trainable` says what a model offers.
The checkpoint on disk is replaced once an epoch, so a run that is killed resumes where it stopped
and ends with the very weights of an uninterrupted one.
"""

import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from palr.data.interactions import Split
from palr.errors import DataError, PalrError
from palr.evaluation.metrics import summary, target_ranks
from palr.files import replacing
from palr.retrieval.trainable import Plan, Trainable
from palr.training.distributed import ProcessGroup

_START_ANEW = "delete it to train from the start"


@dataclass(frozen=True)
class Fit:
    """How a training went.

    Attributes:
        best_epoch: The epoch whose weights were kept, counted from 1.
        epochs: Epochs that were trained.
        validation: Metrics of the best epoch, by name.
        seconds: Time spent, over all resumed runs.
    """

    best_epoch: int
    epochs: int
    validation: dict[str, float]
    seconds: float


def fit(
    model: Trainable,
    split: Split,
    plan: Plan,
    seed: int,
    checkpoint: Path | None = None,
    signature: str = "",
    quiet: bool = False,
) -> Fit:
    """Train on the training part, stop early on validation NDCG@10 over the whole catalog.

    Where `palr.training.distributed` has several processes, all call this alike and end with the
    same weights.

    Args:
        model: The network to train; on return it holds the weights of its best epoch.
        split: What it learns from, and the validation items that it is stopped by.
        plan: Epochs, batches and learning rate.
        seed: Seed of order and dropout.
        checkpoint: A file that the run resumes from if it exists, and removes at the end.
        signature: Names the run, so that another run's checkpoint is refused.
        quiet: Draw no progress bar.

    Raises:
        PalrError: the loss is not finite.
        DataError: the checkpoint is damaged or belongs to another run; no user has two training
            items.
    """
    group = ProcessGroup(cpu=next(model.parameters()).device.type == "cpu")
    torch.manual_seed(seed)
    optimizer = torch.optim.AdamW(_parameter_groups(model, plan.weight_decay), lr=plan.lr)
    run = _Run(model, optimizer, signature)
    if checkpoint is not None and checkpoint.exists():
        run.restore(checkpoint)
    reports = group.is_main and not quiet
    layout = "epoch {n:.1f} of {total} |{bar}| {elapsed}, {remaining} left{postfix}"
    hidden = None if reports else True  # None hides the bar where there is no terminal
    with tqdm(total=plan.epochs, initial=run.epoch, bar_format=layout, disable=hidden) as bar:
        while run.epoch < plan.epochs and run.epoch - run.best_epoch < plan.patience:
            started = time.monotonic()
            # The order of an epoch depends on seed and epoch alone: nothing to restore.
            rng = np.random.default_rng([seed, run.epoch])
            batches = model.batches(split.train, plan.batch_size, rng)
            if not batches:
                raise DataError("nothing to train on: no user has two items in the training part")
            group.seed(seed, run.epoch)
            mine = group.shard(batches)
            loss = _train_epoch(model, optimizer, mine, plan, run.epoch, bar, group)
            metrics = summary(validation_ranks(model, split)) if group.is_main else {}
            metrics = group.broadcast(metrics)
            run.epoch += 1
            run.seconds += time.monotonic() - started
            run.keep_if_best(metrics)
            if checkpoint is not None and group.is_main:
                run.save(checkpoint)
            ndcg, best = metrics["NDCG@10"], run.validation["NDCG@10"]
            bar.set_postfix(loss=f"{loss:.3f}", ndcg=f"{ndcg:.4f}", best=f"{best:.4f}")
            if reports and bar.disable:
                line = f"loss {loss:.3f}, NDCG@10 {ndcg:.4f}, best {best:.4f}"
                print(f"epoch {run.epoch} of {plan.epochs}: {line}", file=sys.stderr, flush=True)
    model.load_state_dict(run.best_weights)
    if checkpoint is not None and group.is_main:
        checkpoint.unlink(missing_ok=True)
    return Fit(run.best_epoch, run.epoch, run.validation, run.seconds)


def validation_ranks(model: Trainable, split: Split, batch_size: int = 256) -> NDArray[np.int64]:
    """The rank (users,) of each user's validation target among all unseen items.

    By the same rule as every evaluation, `palr.evaluation.metrics.target_ranks`.

    Args:
        model: The network; it is left in evaluation mode.
        split: The split with the validation items.
        batch_size: Users scored at once.
    """
    model.eval()
    before, targets = split.validation_histories, split.validation_targets
    ranks = np.zeros(len(targets), np.int64)
    # Users of like length share a batch, so that little of it is padding.
    order = np.argsort([len(history) for history in before], kind="stable")
    for start in range(0, len(order), batch_size):
        users = order[start : start + batch_size]
        histories = [before[user] for user in users]
        ranks[users] = target_ranks(model.score(histories), targets[users], histories)
    return ranks


def learning_rate(plan: Plan, epoch: float) -> float:
    """The rate at a point of the training: linear warm-up, then a half cosine to zero.

    Args:
        plan: Peak rate, warm-up and length in epochs.
        epoch: Epochs done so far, as a fraction.
    """
    if epoch < plan.warmup:
        return plan.lr * epoch / plan.warmup
    done = (epoch - plan.warmup) / max(plan.epochs - plan.warmup, 1e-9)
    return plan.lr * 0.5 * (1.0 + math.cos(math.pi * min(done, 1.0)))


def _train_epoch(
    model: Trainable,
    optimizer: torch.optim.Optimizer,
    batches: Sequence[NDArray[np.int64]],
    plan: Plan,
    epoch: int,
    bar: Any,
    group: ProcessGroup,
) -> float:
    model.train()
    total = 0.0
    for step, batch in enumerate(batches, start=1):
        for parameters in optimizer.param_groups:
            parameters["lr"] = learning_rate(plan, epoch + step / len(batches))
        loss = model.loss(batch)
        if not math.isfinite(loss.item()):
            raise PalrError(
                f"the training loss became {loss.item()} in epoch {epoch + 1}, step {step}: "
                f"lower the learning rate (now {plan.lr:g}) or check the interactions"
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        group.average_gradients(model.parameters())
        nn.utils.clip_grad_norm_(model.parameters(), plan.clip)
        optimizer.step()
        total += loss.item()
        bar.update(1 / len(batches))
    return total / len(batches)


def _parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices only: decayed norms and biases would undo the normalisation."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]


class _Run:
    """The state of a training that must survive a kill."""

    def __init__(self, model: Trainable, optimizer: torch.optim.Optimizer, signature: str) -> None:
        self.model, self.optimizer, self.signature = model, optimizer, signature
        self.epoch = self.best_epoch = 0
        self.seconds = 0.0
        self.validation: dict[str, float] = {}
        self.best_weights = self._weights()

    def _weights(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.model.state_dict().items()}

    def keep_if_best(self, metrics: dict[str, float]) -> None:
        if not self.validation or metrics["NDCG@10"] > self.validation["NDCG@10"]:
            self.best_epoch, self.validation = self.epoch, metrics
            self.best_weights = self._weights()

    def save(self, path: Path) -> None:
        state = {
            "signature": self.signature,
            "epoch": self.epoch,
            "best_epoch": self.best_epoch,
            "seconds": self.seconds,
            "validation": self.validation,
            "best_weights": self.best_weights,
            "weights": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }
        with replacing(path) as file:
            torch.save(state, file)

    def restore(self, path: Path) -> None:
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            mine = state["signature"] == self.signature
        except Exception as error:  # torch.load raises whatever its unpickler meets
            raise DataError(f"{path} is damaged; {_START_ANEW}") from error
        if not mine:
            raise DataError(f"{path} belongs to a run with other settings or data; {_START_ANEW}")
        self.epoch, self.best_epoch = state["epoch"], state["best_epoch"]
        self.seconds, self.validation = state["seconds"], state["validation"]
        self.best_weights = state["best_weights"]
        self.model.load_state_dict(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["rng"])
        if state["cuda_rng"] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(state["cuda_rng"])
