"""Soft targets: what a simple model finds in each candidate of a drawn list.

One target among fifty candidates says little, and a small language model needs many thousand lists
before it notices that what a user turns to is like what he turned to before. A conditional logit
over a handful of features notices at once, and has something to say about every candidate
(distillation, Hinton et al. 2015):

    p(i) = softmax_i(v r_i + w . x_i),   r_i = the retriever's score
    x_i = (closeness to the last item of the history, to the closest, mean of the three closest,
           keywords shared with the last item, log(1 + popularity), log(1 + recent popularity),
           log(LEAST + how much the history's items go together with i))

What the language model is to learn is w . x_i, which the retriever lacks. Closeness is the cosine
of all-MiniLM-L6-v2 vectors, and what goes together comes from EASE (`palr.retrieval.ease`). Recent
is what is among the last `RECENT` items of a user. Features and fit know the training part alone,
and what is counted there not even the targets.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from finetune.data.logit import fit_logit
from finetune.data.tasks import Example
from palr.errors import DataError
from palr.retrieval.ease import together

if TYPE_CHECKING:
    from palr.catalog.catalog import Catalog

FEATURES = (
    "last",
    "closest",
    "three closest",
    "keywords",
    "popularity",
    "recent popularity",
    "together",
)
RECENT = 10
RIDGE = 400.0  # of EASE
LEAST = 0.03
_CLOSEST = 3


class Teacher:
    """``vectors`` are unit vectors (items, dimensions) of the catalog's items in their order;
    ``sequences`` what users chose before any target, oldest first, as indices of ``known``."""

    def __init__(
        self,
        catalog: "Catalog",
        vectors: NDArray[np.float32],
        known: Sequence[str],
        sequences: Sequence[NDArray[np.int64]],
    ) -> None:
        row = {item.id: at for at, item in enumerate(catalog.items)}
        self._at = {item: at for at, item in enumerate(known)}
        self._keywords = [frozenset(catalog.item(item).keywords) for item in known]
        self._vectors = vectors[[row[item] for item in known]]
        recent = [sequence[-RECENT:] for sequence in sequences]
        self._popularity, self._recent = (
            np.bincount(np.concatenate(chosen), minlength=len(known))
            for chosen in (sequences, recent)
        )
        self._together = together(sequences, len(known), RIDGE)

    def features(self, example: Example) -> NDArray[np.float64]:
        """(candidates, len(`FEATURES`)) of an example with candidates."""
        history = [self._at[item] for item in example.history]
        listed = [self._at[item] for item in example.candidates]
        closeness = np.sort(self._vectors[listed] @ self._vectors[history].T, axis=1)
        last = self._vectors[listed] @ self._vectors[history[-1]]
        own = self._keywords[history[-1]]
        together = self._together[np.ix_(history, listed)].sum(axis=0)
        return np.stack(
            [
                last,
                closeness[:, -1],
                closeness[:, -_CLOSEST:].mean(axis=1),
                [len(own & self._keywords[at]) for at in listed],
                np.log1p(self._popularity[listed]),
                np.log1p(self._recent[listed]),
                np.log(LEAST + np.maximum(together, 0)),
            ],
            axis=1,
        )


def beside_retriever(teacher: Teacher, example: Example) -> NDArray[np.float64]:
    """(candidates, 1 + len(`FEATURES`)): the retriever's score, then what the teacher sees."""
    return np.column_stack([example.scores, teacher.features(example)])


def fit_beside_retriever(
    features: Sequence[NDArray[np.float64]], targets: Sequence[int]
) -> NDArray[np.float64]:
    """`fit_logit`, from the retriever's score alone, which is the first feature."""
    return fit_logit(features, targets, np.eye(features[0].shape[1])[0])


def taught(teacher: Teacher, examples: Sequence[Example]) -> list[Example]:
    """The examples, whose lists a retriever drew, with what the teacher finds in each candidate
    (`Example.soft`) once it is fitted to the next items that the retriever had proposed.

    Raises:
        DataError: there is no such item.
    """
    found = [beside_retriever(teacher, example) for example in examples]
    fitted = [at for at, example in enumerate(examples) if example.retrieved]
    if not fitted:
        raise DataError(
            "the retriever proposed none of the targets, so that a teacher cannot be fitted: "
            "raise candidates, held_back or retriever_epochs (with --set)"
        )
    weights = fit_beside_retriever(
        [found[at] for at in fitted],
        [examples[at].candidates.index(examples[at].answer[0]) for at in fitted],
    )
    return [
        replace(example, soft=tuple(np.round(rows[:, 1:] @ weights[1:], 4).tolist()))
        for example, rows in zip(examples, found, strict=True)
    ]
