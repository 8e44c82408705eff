"""The transformers Trainer with the losses of `finetune.training.losses`.

Examples with and without candidates may stand in one batch; each row takes the loss of its kind.
"""

from typing import Any

import torch
from transformers import Trainer, TrainerCallback
from transformers.trainer_pt_utils import LengthGroupedSampler

from finetune.training.collate import NOWHERE, Instructions
from finetune.training.losses import (
    answer_loss,
    choice_logits,
    distilled_loss,
    listwise_loss,
    read_at,
    relevance_logits,
    target_ranks,
)
from palr.errors import PalrError


class RankingTrainer(Trainer):
    """A Trainer whose loss is ours; it also counts tokens and, before each example is learnt from,
    how well the model orders its candidates."""

    def __init__(self, distilled: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.distilled = distilled
        self.tokens = 0
        self._gains: list[tuple[float, float]] = []
        self.model_accepts_loss_kwargs = False  # the loss is a mean over rows

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Mean over the rows: listwise where a row has choices, else that of the answer."""
        places, marks = inputs["places"], inputs["marks"]
        self.tokens += int(inputs["lengths"].sum())
        with read_at(self.model, torch.cat([places, marks], dim=1)):
            logits = model(inputs["input_ids"], use_cache=False).logits
        written, judged = logits.split([places.shape[1], marks.shape[1]], dim=1)
        listed = inputs["weights"].sum(dim=1) > 0
        losses = []
        if listed.any():
            weights, targets = inputs["weights"][listed], inputs["target"][listed]
            own = (
                relevance_logits(judged[listed], marks[listed], inputs["verdicts"])
                if (marks != NOWHERE).any()
                else choice_logits(written[listed], inputs["choices"][listed])
            )
            prior = inputs["prior"][listed]
            scored = own + prior
            losses.append(
                distilled_loss(own, inputs["soft"][listed])
                if self.distilled
                else listwise_loss(scored, weights)
            )
            as_listed = -torch.arange(weights.shape[1], device=weights.device).expand_as(prior)
            given = torch.where(scored.isinf(), scored, prior if prior.any() else as_listed)
            ranks = (target_ranks(order.detach(), targets) for order in (scored, given))
            self._gains += zip(*map(_gains, ranks), strict=True)
        if not listed.all():
            losses.append(answer_loss(written[~listed], inputs["labels"][~listed]))
        loss = torch.cat(losses).mean()
        if not torch.isfinite(loss):
            raise PalrError(
                f"the training loss became {loss.item()} in step {self.state.global_step + 1}: "
                f"lower learning_rate (now {self.args.learning_rate:g}) with --set"
            )
        return (loss, logits) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log with the mean NDCG@10 of the model's order and of the retriever's."""
        if self._gains and "loss" in logs:
            own, listed = (
                sum(column) / len(self._gains) for column in zip(*self._gains, strict=True)
            )
            logs |= {"ndcg": round(own, 4), "ndcg_listed": round(listed, 4)}
            self._gains = []
        super().log(logs, start_time)

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        if not self.train_dataset.grouped:
            return super()._get_train_sampler(train_dataset)
        size = self.args.train_batch_size * self.args.gradient_accumulation_steps
        return LengthGroupedSampler(size, lengths=self.train_dataset.lengths())


class Epochs(TrainerCallback):
    """Tell the data which epoch it is, so that lists are arranged anew."""

    def __init__(self, dataset: Instructions) -> None:
        self._dataset = dataset

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._dataset.epoch = int(state.epoch or 0)


def _gains(ranks: torch.Tensor) -> list[float]:
    """NDCG@10 of each rank (see `palr.evaluation.metrics`)."""
    gains = torch.where(ranks <= 10, 1 / torch.log2(ranks.float() + 1), 0.0)
    return [float(gain) for gain in gains]
