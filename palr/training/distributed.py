"""Data-parallel training: several processes train one model, one process on each device.

``accelerate launch --num_processes 4 -m palr train-retriever sasrec --dataset ml-1m`` starts four.
Each takes its shard of an epoch's batches, and gradients are averaged before every step, so all
hold the same weights throughout. The main process validates, writes checkpoints and reports. A
process alone is a group of one, and nothing is exchanged.

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


class ProcessGroup:
    """The processes that train one model.

    Joins the others where ``accelerate launch`` started several.

    Args:
        cpu: Train on the CPU even where there are GPUs.

    Attributes:
        rank: This process, counted from 0.
        size: Number of processes.
        device: This process's device, or None where it is alone.
    """

    def __init__(self, cpu: bool) -> None:
        self.rank, self.size = 0, 1
        self.device: torch.device | None = None
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            from accelerate import PartialState

            state = PartialState(cpu=cpu)
            self.rank, self.size = state.process_index, state.num_processes
            self.device = state.device

    @property
    def is_main(self) -> bool:
        """Whether this process validates, writes and reports for all."""
        return self.rank == 0

    def shard(self, batches: Sequence[T]) -> Sequence[T]:
        """This process's batches: as many for each process, so a few are taken twice.

        >>> group = ProcessGroup(cpu=True)
        >>> group.rank, group.size = 1, 2
        >>> group.shard(["a", "b", "c"])
        ['b', 'a']
        """
        if self.size == 1:
            return batches
        steps = math.ceil(len(batches) / self.size)
        return [batches[(step * self.size + self.rank) % len(batches)] for step in range(steps)]

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each parameter's gradient by its mean over the processes."""
        if self.size == 1:
            return
        from accelerate.utils import reduce

        learnt = [p for p in parameters if p.requires_grad]
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in learnt]
        mean: Tensor = reduce(torch.cat([part.flatten() for part in parts]), "mean")
        for p, part in zip(learnt, mean.split([p.numel() for p in learnt]), strict=True):
            p.grad = part.view_as(p)

    def seed(self, *numbers: int) -> None:
        """Seed torch differently in each process, so that their dropout masks differ.

        A process alone keeps its generator as it is.
        """
        if self.size > 1:
            stream = np.random.SeedSequence([*numbers, self.rank]).generate_state(1)
            torch.manual_seed(int(stream[0]))

    def broadcast(self, value: T) -> T:
        """The main process's ``value``, for every process; waits for all of them."""
        if self.size == 1:
            return value
        from accelerate.utils import broadcast_object_list

        values = [value]
        broadcast_object_list(values)
        return values[0]
