"""Examples as the batches that are trained on.

A row is ``prompt + answer[:-1]``, padded on the right: causality alone hides the padding, and
attention needs no mask. (With one, torch's fast attention gave gradients that are no numbers on a
GPU: pytorch/pytorch#178251.) The vocabulary is only ever multiplied with the ``places`` where
something is predicted:

    row              p1 p2 p3 a1 a2 .       behind p3, a1 and a2: a1 a2 a3
    labelled row     p1 p2 p3 p4 p5 p6      behind p6: the target's label
    judged row       p1 p2 p3 p4 p5 .       behind each candidate, its marks: yes or no
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from finetune.configs import TAUGHT, Config
from finetune.data.render import Rendered, render
from finetune.data.tasks import Example
from palr.catalog.catalog import Catalog
from palr.errors import DataError
from palr.llm.transformers import TransformersLLM
from palr.ranking.modes import verdicts

IGNORED = -100  # a position that is not predicted
NOWHERE = -1  # fills up tokens and columns


@dataclass(frozen=True)
class Row:
    """A rendered example with what the losses over candidates need: of each choice what it should
    weigh, the retriever's part of its score and the teacher's, and which choice is the next item.
    """

    rendered: Rendered
    weights: tuple[float, ...] = ()
    prior: tuple[float, ...] = ()
    soft: tuple[float, ...] = ()
    target: int = 0


class Instructions(Dataset):
    """Rows for training, rendered when asked for; lists are cut and shuffled anew each epoch."""

    def __init__(
        self, examples: Sequence[Example], catalog: Catalog, llm: TransformersLLM, config: Config
    ) -> None:
        self.epoch = 0
        self.grouped = config.group_by_length
        self._examples, self._catalog, self._llm = examples, catalog, llm
        self._config = config
        self._mode = TAUGHT[config.loss]
        self._verdicts = verdicts(llm)
        check_taught(examples, config)

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, at: int) -> dict[str, Any]:
        rng = np.random.default_rng([self._config.seed, self.epoch, at])
        example, shown = arranged(self._examples[at], self._config, rng)
        row = self._row(example, shown)
        length = len(row.rendered.prompt) + len(row.rendered.answer)
        return {"row": row, "length": length, "verdicts": self._verdicts}

    def lengths(self) -> list[int]:
        """About how long each row is, without rendering it: the items that it names."""
        most = self._config.candidates[1]
        return [
            len(e.history) + min(len(e.candidates), most) + len(e.answer) for e in self._examples
        ]

    def _row(self, example: Example, shown: list[int]) -> Row:
        rendered = render(example, self._catalog, self._llm, self._mode, shown)
        if not rendered.choices:
            return Row(rendered)
        kept = rendered.shown
        weights = target_weights(example, kept, self._config.decay)
        beta = self._config.prior
        prior = tuple(beta * example.scores[at] if beta else 0.0 for at in kept)
        first = kept.index(example.candidates.index(example.answer[0]))
        soft = tuple(example.soft[at] if example.soft else 0.0 for at in kept)
        return Row(rendered, weights, prior, soft, first)


def check_taught(examples: Sequence[Example], config: Config) -> None:
    """Raises DataError where the examples lack what the loss learns from."""
    if config.prior:
        bare = next((e for e in examples if e.candidates and not e.scores), None)
        if bare is not None:
            raise DataError(
                f"beta={config.prior:g} needs the retriever's scores, and these instructions "
                "lack them: build them with negatives=retriever, or set beta=0"
            )
    if config.loss == "distilled" and any(e.candidates and not e.soft for e in examples):
        raise DataError(
            "the loss distilled needs a teacher's targets, and these instructions lack them: "
            "build them with negatives=retriever and teacher=true, or set loss=relevance"
        )


def arranged(
    example: Example, config: Config, rng: np.random.Generator
) -> tuple[Example, list[int]]:
    """Cut the history of an example and order its list.

    All of the answer is shown, and a random part of the rest, in the order of the list.

    Args:
        example: The instruction.
        config: How many picks and candidates are shown, and in which order.
        rng: Draws them.

    Returns:
        The example, and the positions of the candidates to show.
    """
    example = replace(example, history=example.history[-config.history :])
    n = len(example.candidates)
    if config.shuffle and n:
        order = rng.permutation(n)
        example = replace(
            example,
            candidates=tuple(example.candidates[at] for at in order),
            scores=tuple(example.scores[at] for at in order) if example.scores else (),
            soft=tuple(example.soft[at] for at in order) if example.soft else (),
        )
    fewest, most = config.candidates
    size = min(n, int(rng.integers(fewest, most + 1)))
    answer = set(example.answer)
    wanted = [at for at, item in enumerate(example.candidates) if item in answer]
    others = [at for at, item in enumerate(example.candidates) if item not in answer]
    drawn = rng.permutation(len(others))[: max(size - len(wanted), 0)]
    return example, sorted([*wanted, *(others[at] for at in drawn)])


def target_weights(example: Example, shown: Sequence[int], decay: float) -> tuple[float, ...]:
    """The distribution that the labels should have: targets in the order of the answer, each worth
    ``decay`` of the one before.

    >>> example = Example("Recommend_Retrieval", 0, ("h",), ("b", "a"), ("a", "b", "c"))
    >>> [round(w, 3) for w in target_weights(example, [0, 1, 2], decay=0.5)]
    [0.333, 0.667, 0.0]
    """
    worth = {item: decay**place for place, item in enumerate(example.answer)}
    weights = [worth.get(example.candidates[at], 0.0) for at in shown]
    return tuple(weight / sum(weights) for weight in weights)


@dataclass(frozen=True)
class Collator:
    """Rows into one batch of tensors; ``pad`` may be any token, since nothing behind it is read."""

    pad: int

    def __call__(self, features: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """``input_ids`` (rows, length), of which ``lengths`` (rows,) are no padding; ``labels``
        and ``places`` (rows, width), the columns behind which these are predicted; ``choices``,
        ``weights``, ``prior``, ``soft`` (rows, choices); ``marks`` (rows, choices), columns too;
        ``target`` (rows,), a choice; ``verdicts`` (2,)."""
        rows: list[Row] = [feature["row"] for feature in features]
        inputs = [[*row.rendered.prompt, *row.rendered.answer[:-1]] for row in rows]
        width = max(1, *(len(row.rendered.answer) for row in rows))
        n = max(len(row.rendered.choices) for row in rows)
        return {
            "input_ids": _filled(inputs, max(map(len, inputs)), self.pad),
            "lengths": torch.tensor([len(row) for row in inputs]),
            "labels": _filled([row.rendered.answer for row in rows], width, IGNORED),
            "places": _filled([_places(row.rendered) for row in rows], width, NOWHERE),
            "choices": _filled([row.rendered.choices for row in rows], n, NOWHERE),
            "weights": _filled([row.weights for row in rows], n, 0.0),
            "prior": _filled([row.prior for row in rows], n, 0.0),
            "soft": _filled([row.soft for row in rows], n, 0.0),
            "marks": _filled([row.rendered.marks for row in rows], n, NOWHERE),
            "target": torch.tensor([row.target for row in rows]),
            "verdicts": torch.tensor(features[0]["verdicts"]),
        }


def _places(rendered: Rendered) -> range:
    """Where the answer's tokens are predicted, or the label; nowhere of a row that has marks."""
    last = len(rendered.prompt) - 1
    return range(last, last + max(len(rendered.answer), 0 if rendered.marks else 1))


def _filled(rows: Sequence[Sequence[float]], length: int, fill: float) -> torch.Tensor:
    dtype = torch.long if isinstance(fill, int) else torch.float
    return torch.tensor([list(row) + [fill] * (length - len(row)) for row in rows], dtype=dtype)
