"""The paper's two instruction tasks (section 2.2) as pure functions over item ids.

`Recommend` shows a history and asks for what the user turned to next. `Recommend_Retrieval` asks
for the same, out of a list of candidates that holds every item of the answer and negatives that
are like them:

>>> cut = Cut(history=("heat", "babe"), answer=("fargo", "casino"))
>>> recommend(7, cut).answer
('fargo', 'casino')
>>> rng = np.random.default_rng(0)
>>> sorted(recommend_retrieval(7, cut, ["jaws"], rng).candidates)
['casino', 'fargo', 'jaws']

Examples hold ids and no text: titles are rendered by `palr.prompts` when a model is there, so the
same data serve any tokenizer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from palr.domains import HISTORY_LIMIT

Task = Literal["Recommend", "Recommend_Retrieval"]
ANSWER_LIMIT = 10  # items of an answer at most: the paper's top 10


@dataclass(frozen=True)
class Example:
    """One instruction with its answer.

    ``user`` is the user's position in the split. ``history`` runs oldest first, ``answer`` in the
    order in which it is to be written; ``candidates`` hold all of the answer. ``scores`` are the
    retriever's, one for each candidate, empty where no retriever drew the list; ``soft`` is
    what a teacher finds in each (`finetune.data.teacher`), empty where none taught. ``retrieved``
    is false where the retriever had not proposed the target, which was put into the list, or had
    learnt from it. ``keywords`` and ``text`` are the profile; both are empty where the prompt shows
    none. ``more`` and ``less`` are keywords of a wish (`finetune.data.counterfactual`).
    """

    task: Task
    user: int
    history: tuple[str, ...]
    answer: tuple[str, ...]
    candidates: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    soft: tuple[float, ...] = ()
    retrieved: bool = True
    keywords: tuple[str, ...] = ()
    text: str = ""
    more: tuple[str, ...] = ()
    less: tuple[str, ...] = ()

    @property
    def items(self) -> set[str]:
        """Every item that the example shows."""
        return {*self.history, *self.answer, *self.candidates}


@dataclass(frozen=True)
class Cut:
    """A training sequence cut in two: what the instruction shows, and what the answer holds."""

    history: tuple[str, ...]
    answer: tuple[str, ...]


def cut_at(
    sequence: Sequence[str], at: int, history: int = HISTORY_LIMIT, answer: int = ANSWER_LIMIT
) -> Cut:
    """The ``history`` items before position ``at`` and the ``answer`` items from it on.

    >>> cut_at("abcdef", 4, history=2, answer=3)
    Cut(history=('c', 'd'), answer=('e', 'f'))
    """
    return Cut(tuple(sequence[max(at - history, 0) : at]), tuple(sequence[at : at + answer]))


def recommend(user: int, cut: Cut) -> Example:
    """The task Recommend: no candidates."""
    return Example("Recommend", user, cut.history, cut.answer)


def recommend_retrieval(
    user: int, cut: Cut, negatives: Sequence[str], rng: np.random.Generator
) -> Example:
    """The task Recommend_Retrieval: answer and negatives in one list, in random order.

    Args:
        user: The position of the user.
        cut: History and answer.
        negatives: What is listed beside the answer.
        rng: Draws the order of the list.
    """
    listed = [*cut.answer, *negatives]
    candidates = tuple(listed[at] for at in rng.permutation(len(listed)))
    return Example("Recommend_Retrieval", user, cut.history, cut.answer, candidates)
