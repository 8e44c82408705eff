"""The processes that train one model together, one on each device.

``accelerate launch --num_processes 4 -m palr train-retriever sasrec --dataset ml-1m`` starts four.
Each takes its share of an epoch's batches, and gradients are averaged before every step, so all
hold the same weights throughout. The first one validates, checkpoints and speaks. A run in a
process of its own is a team of one, in which nothing of this happens.

Gradients are averaged here and not by wrapping the model: torch's wrapper sees ``forward`` only,
and what a `palr.retrieval.trainable.Trainable` offers is ``loss``.
"""

import math
import os
from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

T = TypeVar("T")


class Team:
    """``rank`` counts the ``size`` processes from 0; the first one leads."""

    def __init__(self, cpu: bool) -> None:
        """Join the others where ``accelerate launch`` started several; ``cpu`` keeps off GPUs."""
        self.rank, self.size = 0, 1
        self.device: torch.device | None = None
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            from accelerate import PartialState

            state = PartialState(cpu=cpu)
            self.rank, self.size = state.process_index, state.num_processes
            self.device = state.device

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def share(self, batches: Sequence[T]) -> Sequence[T]:
        """This process's batches, as many as everyone's; a few are taken twice to make it even.

        >>> team = Team(cpu=True)
        >>> team.rank, team.size = 1, 2
        >>> team.share(["a", "b", "c"])
        ['b', 'a']
        """
        if self.size == 1:
            return batches
        steps = math.ceil(len(batches) / self.size)
        return [batches[(step * self.size + self.rank) % len(batches)] for step in range(steps)]

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Give every process the mean of all processes' gradients."""
        if self.size == 1:
            return
        from accelerate.utils import reduce

        learnt = [p for p in parameters if p.requires_grad]
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in learnt]
        mean: Tensor = reduce(torch.cat([part.flatten() for part in parts]), "mean")
        for p, part in zip(learnt, mean.split([p.numel() for p in learnt]), strict=True):
            p.grad = part.view_as(p)

    def seed(self, *numbers: int) -> None:
        """Give each process a stream of random numbers of its own, or all would drop out alike.

        A process alone keeps the stream that it has.
        """
        if self.size > 1:
            stream = np.random.SeedSequence([*numbers, self.rank]).generate_state(1)
            torch.manual_seed(int(stream[0]))

    def told(self, value: T) -> T:
        """What the leader has for ``value``."""
        if self.size == 1:
            return value
        from accelerate.utils import broadcast_object_list

        values = [value]
        broadcast_object_list(values)
        return values[0]
