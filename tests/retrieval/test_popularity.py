import numpy as np
import pytest

from palr.data.interactions import LeaveOneOut
from palr.errors import RetrieverUnavailableError
from palr.retrieval import load_retriever, retrieve
from palr.retrieval.popularity import PopularityRetriever, fit

COUNTS = [3, 9, 9, 1]


def test_the_most_chosen_come_first_and_ties_keep_the_catalogs_order(small_items):
    model = PopularityRetriever(small_items[:4], COUNTS)
    candidates = retrieve(model, [], 4)
    assert [c.item for c in candidates] == [small_items[at] for at in (1, 2, 0, 3)]
    assert [c.score for c in candidates] == pytest.approx(np.log([10, 10, 4, 2]))


def test_the_history_only_masks(small_items):
    model = PopularityRetriever(small_items[:4], COUNTS)
    assert [c.item for c in retrieve(model, [small_items[1]], 1)] == [small_items[2]]


def test_for_measuring_it_counts_the_training_part_only(small_items):
    split = LeaveOneOut(
        train=[np.array([0, 1]), np.array([1])],
        validation_targets=np.array([2, 2]),
        test_targets=np.array([3, 3]),
        item_ids=tuple(item.id for item in small_items[:4]),
    )
    (scores,) = fit(small_items[:4], split.train).score([[]])
    assert scores == pytest.approx(np.log([2, 3, 1, 1]))


def test_without_interactions_nothing_is_popular(bare_catalog, small_settings):
    with pytest.raises(RetrieverUnavailableError, match="no interactions"):
        load_retriever("popularity", bare_catalog, small_settings)
