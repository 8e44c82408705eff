"""The one training loop of every neural retriever.

It knows nothing of architectures: `palr.retrieval.trainable.Trainable` says what a model offers.
The checkpoint on disk is replaced once an epoch, so a run that is killed goes on where it stopped
and ends with the very weights of an uninterrupted one."""

import math
import os
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
from palr.data.progress import on_terminal
from palr.errors import DataError, PalrError
from palr.evaluation.metrics import summary, target_ranks
from palr.retrieval.trainable import Plan, Trainable
from palr.training.distributed import Team

_START_ANEW = "delete it to train from the start"


@dataclass(frozen=True)
class Fit:
    """How a training went; ``validation`` are the metrics of the epoch whose weights were kept."""

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
    """Train on the prefixes, stop early on validation NDCG@10 over the whole catalog.

    On return the model holds the weights of its best epoch. With a ``checkpoint`` path the run
    resumes from the file if there is one, and removes it at the end; ``signature`` names the run,
    so that another run's file is not taken for its own. Where `palr.training.distributed` has
    several processes, all call this alike and end with the same weights.

    Raises:
        PalrError: the loss is not finite.
        DataError: the checkpoint is damaged or belongs to another run; no user has two training
            items.
    """
    team = Team(cpu=next(model.parameters()).device.type == "cpu")
    torch.manual_seed(seed)
    optimizer = torch.optim.AdamW(_parameter_groups(model, plan.weight_decay), lr=plan.lr)
    run = _Run(model, optimizer, signature)
    if checkpoint is not None and checkpoint.exists():
        run.restore(checkpoint)
    speaks = team.leads and not quiet
    layout = "epoch {n:.1f} of {total} |{bar}| {elapsed}, {remaining} left{postfix}"
    hidden = not (speaks and on_terminal())
    with tqdm(total=plan.epochs, initial=run.epoch, bar_format=layout, disable=hidden) as bar:
        while run.epoch < plan.epochs and run.epoch - run.best_epoch < plan.patience:
            started = time.monotonic()
            # The order of an epoch depends on seed and epoch alone: nothing to restore.
            rng = np.random.default_rng([seed, run.epoch])
            batches = model.batches(split.train, plan.batch_size, rng)
            if not batches:
                raise DataError("nothing to train on: no user has two items in the training part")
            team.seed(seed, run.epoch)
            mine = team.share(batches)
            loss = _train_epoch(model, optimizer, mine, plan, run.epoch, bar, team)
            metrics = team.told(summary(validation_ranks(model, split)) if team.leads else {})
            run.epoch += 1
            run.seconds += time.monotonic() - started
            run.keep_if_best(metrics)
            if checkpoint is not None and team.leads:
                run.save(checkpoint)
            ndcg, best = metrics["NDCG@10"], run.validation["NDCG@10"]
            bar.set_postfix(loss=f"{loss:.3f}", ndcg=f"{ndcg:.4f}", best=f"{best:.4f}")
            if speaks and hidden:
                said = f"epoch {run.epoch} of {plan.epochs}: loss {loss:.3f}, "
                print(f"{said}ndcg {ndcg:.4f}, best {best:.4f}", file=sys.stderr, flush=True)
    model.load_state_dict(run.best_weights)
    if checkpoint is not None and team.leads:
        checkpoint.unlink(missing_ok=True)
    return Fit(run.best_epoch, run.epoch, run.validation, run.seconds)


def validation_ranks(model: Trainable, split: Split, batch_size: int = 256) -> NDArray[np.int64]:
    """Rank of each user's validation target, by the same rule as every evaluation here."""
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
    """Linear warm-up, then half a cosine to zero at ``plan.epochs``; ``epoch`` is a fraction."""
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
    team: Team,
) -> float:
    model.train()
    total = 0.0
    for step, batch in enumerate(batches, start=1):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(plan, epoch + step / len(batches))
        loss = model.loss(batch)
        if not math.isfinite(loss.item()):
            raise PalrError(
                f"the training loss became {loss.item()} in epoch {epoch + 1}, step {step}: "
                f"lower the learning rate (now {plan.lr:g}) or check the interactions"
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        team.average_gradients(model.parameters())
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
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        torch.save(
            {
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
            },
            unfinished,
        )
        os.replace(unfinished, path)

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
