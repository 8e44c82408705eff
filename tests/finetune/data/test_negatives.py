import numpy as np

from finetune.data.augment import Graph
from finetune.data.negatives import Similar, similar_negatives
from palr.types import Item

GENRES = [("Crime", "Drama"), ("Crime", "Drama"), ("Crime",), ("Romance",), ("Horror",), ("War",)]
ITEMS = [Item(str(at), f"Film {at}", keywords=genres) for at, genres in enumerate(GENRES)]
# Items 0 and 3 are chosen together twice, 0 and 4 once; nobody chose 0 with 1 or 2.
TRAIN = [np.array(items) for items in ([0, 3], [0, 3, 4], [1, 2], [5])]


def similar() -> Similar:
    return Similar(ITEMS, Graph(TRAIN, len(ITEMS)))


def test_the_same_kind_shares_the_most_keywords():
    assert similar().same_kind(0) == (1, 2)
    assert similar().same_kind(5) == ()


def test_company_is_ordered_by_how_many_chose_both():
    assert similar().co_chosen(0) == (3, 4)


def test_negatives_come_in_turn_from_both_pools():
    for seed in range(10):
        found = similar_negatives(similar(), [0], [], 2, np.random.default_rng(seed))
        assert len({*found} & {1, 2}) == 1
        assert len({*found} & {3, 4}) == 1


def test_negatives_leave_out_targets_and_what_is_forbidden():
    found = similar_negatives(similar(), [0, 1], [3], 9, np.random.default_rng(0))
    assert sorted(found) == [2, 4, 5]  # 5 is like none of them: it fills the list
