"""What there is to learn: how far the teacher's own order beats the retriever's.

An adapter that learnt a teacher perfectly would rank as well as it does, so its gain over a
retriever bounds the adapter's, and is known in minutes. The conditional logit of
`finetune.data.teacher` is fitted to validation lists of the retriever that is served, rather than
to drawn ones, and ranks the test lists that the adapters rank.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from finetune.configs import RETRIEVER
from finetune.data.lists import Order, UserList
from finetune.data.tasks import Example
from finetune.data.teacher import FEATURES, Teacher, beside_retriever, fit_beside_retriever
from finetune.evaluation.evaluate import opened
from finetune.evaluation.rankers import Sampling
from finetune.evaluation.records import Baseline, retriever_row, system_row
from palr.data.progress import Progress, silent
from palr.domains import HISTORY_LIMIT
from palr.errors import PalrError
from palr.evaluation.records import Record
from palr.ranking.mix import best_first
from palr.retrieval.semantic import load
from palr.settings import Settings

if TYPE_CHECKING:
    from palr.catalog.catalog import Catalog

# Rows, and the features that they see beside the retriever's score.
ROWS: dict[str, tuple[str, ...]] = {
    "teacher": FEATURES,
    "teacher-meaning": ("last", "closest", "three closest", "keywords"),
    "teacher-popularity": ("popularity", "recent popularity"),
    "teacher-together": ("together",),
}


def ceiling(
    catalog: "Catalog",
    settings: Settings,
    *,
    retriever: str = RETRIEVER,
    sampling: Sampling | None = None,
    progress: Progress = silent,
    command: str = "",
) -> list[Record]:
    """Records of the retriever alone and of each teacher of `ROWS`, without a language model.

    Args:
        catalog: Whose items are meant.
        settings: The settings, for the home and the models.
        retriever: Whose lists are ordered.
        sampling: Which users are asked.
        progress: Told how far the work is.
        command: The command that a record names.

    Raises:
        PalrError: no validation list holds its target, or no test user is left.
    """
    evaluation = opened(
        catalog, settings, retriever, sampling or Sampling(), "none", progress, command
    )
    hits = [entry for entry in evaluation.validation if entry.hit]
    if not hits:
        raise PalrError("no validation list holds its target: raise the number of users")
    vectors = load(catalog, settings).vectors
    teacher = Teacher(catalog, vectors, evaluation.data.item_ids, evaluation.data.split.train)
    asked, baseline = evaluation.asked, Baseline(evaluation.retriever, evaluation.ranks)
    learnt, shown = (
        [beside_retriever(teacher, _example(entry)) for entry in some] for some in (hits, asked)
    )
    records = [retriever_row(evaluation)]
    for name, features in ROWS.items():
        columns = [0, *(1 + FEATURES.index(feature) for feature in features)]
        weights = fit_beside_retriever(
            [rows[:, columns] for rows in learnt], [entry.rank - 1 for entry in hits]
        )
        orders = {
            entry.user: _order(entry, best_first(rows[:, columns], weights))
            for entry, rows in zip(asked, shown, strict=True)
        }
        records.append(system_row(evaluation, name, orders, baseline))
    return records


def _example(entry: UserList) -> Example:
    return Example(
        "Recommend_Retrieval",
        entry.user,
        tuple(item.id for item in entry.history[-HISTORY_LIMIT:]),
        (),
        tuple(candidate.item.id for candidate in entry.candidates),
        tuple(candidate.score for candidate in entry.candidates),
    )


def _order(entry: UserList, best: Sequence[int]) -> Order:
    return Order(entry.user, tuple(at + 1 for at in best), (), True, 0.0)
