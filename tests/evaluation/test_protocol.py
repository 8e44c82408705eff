import numpy as np
import pytest

from palr.data.interactions import LeaveOneOut
from palr.errors import RetrieverUnavailableError
from palr.evaluation.metrics import NOTHING
from palr.evaluation.protocol import evaluate
from palr.types import Item

ITEMS = {item_id: Item(item_id, item_id.upper()) for item_id in "abcdef"}
SPLIT = LeaveOneOut(
    train=[np.array([0, 1]), np.array([2]), np.array([5, 4, 3])],
    validation_targets=np.array([2, 3, 0]),
    test_targets=np.array([3, 0, 1]),
    item_ids=tuple("abcdef"),
)


class Fixed:
    """Gives every history the same scores, and keeps what it was asked."""

    name = "fixed"

    def __init__(self, scores, refuses=()):
        self.items = tuple(ITEMS[item_id] for item_id in scores)
        self.refuses = refuses
        self.asked = []
        self._scores = np.array(list(scores.values()), np.float32)

    def score(self, histories):
        if any(history[0].id in self.refuses for history in histories):
            raise RetrieverUnavailableError("no")
        self.asked += [tuple(item.id for item in history) for history in histories]
        return np.tile(self._scores, (len(histories), 1))


def test_ranks_by_hand_in_the_order_of_the_users():
    # The columns are in another order than the split's items.
    model = Fixed({"f": 6, "e": 5, "d": 4, "c": 3, "b": 2, "a": 1})
    # User 0 has seen a b c and awaits d, behind f e; user 1 has seen c d and awaits a, behind
    # f e b; user 2 has seen f e d a and awaits b, behind c.
    assert evaluate(model, SPLIT, ITEMS).ranks.tolist() == [3, 4, 2]
    # Validation: c behind f e d; d behind f e; a behind c b.
    assert evaluate(model, SPLIT, ITEMS, "validation").ranks.tolist() == [4, 3, 3]


def test_lists_are_the_best_unseen_items_in_order():
    model = Fixed({"f": 6, "e": 5, "d": 4, "c": 3, "b": 2, "a": 1})
    lists = evaluate(model, SPLIT, ITEMS).lists
    assert [row[row != NOTHING].tolist() for row in lists] == [[5, 4, 3], [5, 4, 1, 0], [2, 1]]
    assert lists.shape == (3, 10)


def test_an_item_the_model_does_not_know_is_in_no_list():
    model = Fixed({"a": 1, "b": 2, "c": 3, "e": 5, "f": 6})
    assert evaluate(model, SPLIT, ITEMS).lists[0].tolist() == [5, 4, *[NOTHING] * 8]


def test_progress_ends_with_every_user():
    said = []
    model = Fixed(dict.fromkeys("abcdef", 1.0))
    evaluate(model, SPLIT, ITEMS, batch_size=2, progress=lambda *step: said.append(step))
    assert said == [("fixed", 2, 3, "users"), ("fixed", 3, 3, "users")]


def test_the_test_history_ends_with_the_validation_item():
    model = Fixed(dict.fromkeys("abcdef", 0.0))
    evaluate(model, SPLIT, ITEMS)
    assert sorted(model.asked) == [("a", "b", "c"), ("c", "d"), ("f", "e", "d", "a")]


def test_a_constant_score_earns_the_last_rank():
    model = Fixed(dict.fromkeys("abcdef", 1.0))
    assert evaluate(model, SPLIT, ITEMS).ranks.tolist() == [3, 4, 2]


def test_an_item_the_model_does_not_know_stands_last():
    model = Fixed({"a": 1, "b": 2, "c": 3, "e": 5, "f": 6})
    assert evaluate(model, SPLIT, ITEMS).ranks[0] == 3  # d, behind e and f


def test_users_the_model_refuses_are_misses_and_do_not_hurt_others():
    model = Fixed({"f": 6, "e": 5, "d": 4, "c": 3, "b": 2, "a": 1}, refuses={"c"})
    evaluation = evaluate(model, SPLIT, ITEMS)
    assert evaluation.ranks.tolist() == [3, 6, 2]
    assert evaluation.unserved == 1
    assert set(evaluation.lists[1]) == {NOTHING}


@pytest.mark.parametrize("batch_size", [1, 2, 256])
def test_the_batch_size_changes_nothing(batch_size):
    model = Fixed({"f": 6, "e": 5, "d": 4, "c": 3, "b": 2, "a": 1})
    assert evaluate(model, SPLIT, ITEMS, batch_size=batch_size).ranks.tolist() == [3, 4, 2]


def test_metrics_come_from_the_ranks():
    model = Fixed({"f": 6, "e": 5, "d": 4, "c": 3, "b": 2, "a": 1})
    assert evaluate(model, SPLIT, ITEMS).metrics["HR@5"] == 1.0
