from dataclasses import replace

import numpy as np
import pytest

from palr.catalog.catalog import Catalog
from palr.domains import DOMAINS
from palr.errors import RetrieverUnavailableError
from palr.retrieval import RETRIEVERS, load_retriever
from palr.retrieval.ease import LEAST, MAX_ITEMS, EASERetriever, together

# X^T X + I = [[3, 1], [1, 2]], whose inverse is [[2, -1], [-1, 3]] / 5.
SEQUENCES = [np.array([0, 1]), np.array([0])]


def test_weights_by_hand():
    found = together(SEQUENCES, 2, ridge=1.0)
    assert found == pytest.approx(np.array([[0, 1 / 3], [1 / 2, 0]]))


def test_an_item_that_nobody_chose_goes_with_none():
    found = together([np.array([0, 1])], 3, ridge=400.0)
    assert not found[2].any()
    assert not found[:, 2].any()


def test_the_score_is_the_log_of_the_sum_and_the_order_of_picks_is_nothing_to_it(small_items):
    first, second = small_items[:2]
    scores = EASERetriever(small_items[:2], SEQUENCES, ridge=1.0).score(
        [[first], [first, second], [second, first]]
    )
    either = [LEAST + 1 / 2, LEAST + 1 / 3]
    assert scores == pytest.approx(np.log([[LEAST, LEAST + 1 / 3], either, either]), abs=1e-6)


def test_items_that_shun_each_other_are_no_less_likely_than_strangers(small_items):
    sequences = [np.array([0, 2]), np.array([1, 2])] * 9  # 0 and 1 share 2, and never a user
    assert together(sequences, 4, ridge=1.0)[0, 1] < 0
    scores = EASERetriever(small_items[:4], sequences, ridge=1.0).score([[small_items[0]]])[0]
    assert scores[1] == scores[3] == pytest.approx(np.log(LEAST))


def test_for_measuring_it_learns_from_the_training_part_only(small_items, four_films):
    scores = EASERetriever(small_items[:4], four_films.train).score([[small_items[0]]])[0]
    assert np.flatnonzero(scores > np.log(np.float32(LEAST))).tolist() == [1]


def test_it_serves_the_5_core(small_catalog, small_settings):
    model = load_retriever("ease", small_catalog, small_settings)
    assert set(model.items) == set(small_catalog.items[:24])


def test_a_catalog_too_large_to_wait_for_is_refused(small_items, small_settings):
    many = tuple(replace(small_items[0], id=str(n), popularity=5) for n in range(MAX_ITEMS + 1))
    large = Catalog("large", DOMAINS["movies"], many, lambda: pytest.fail("reads them all"))
    assert "6,001 of large are too many" in RETRIEVERS["ease"].missing(large, small_settings)
    with pytest.raises(RetrieverUnavailableError, match="use itemknn"):
        load_retriever("ease", large, small_settings)
