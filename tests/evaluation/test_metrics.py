import math

import numpy as np
import pytest

from palr.errors import DataError
from palr.evaluation.metrics import (
    METRICS,
    NOTHING,
    coverage,
    hit_rate,
    ndcg,
    per_user,
    popularity_lift,
    summary,
    target_ranks,
)


def rank(scores, target, seen=()):
    return target_ranks(
        np.array([scores], np.float32), np.array([target]), [np.array(seen, np.int64)]
    )[0]


def test_rank_counts_the_items_above_the_target():
    assert rank([0.1, 0.9, 0.5, 0.7], target=2) == 3


def test_seen_items_do_not_compete():
    assert rank([0.1, 0.9, 0.5, 0.7], target=2, seen=[1, 3]) == 1


def test_ties_count_against_the_model():
    assert rank([1, 1, 1, 0], target=0) == 3
    assert rank([1, 1, 1, 0], target=2) == 3


def test_a_seen_item_that_ties_does_not_count():
    assert rank([1, 1, 1, 0], target=0, seen=[1]) == 2


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_scores_that_are_not_finite_are_refused(bad):
    with pytest.raises(DataError, match="not finite"):
        rank([0.1, bad, 0.5], target=0)


def test_a_target_that_was_seen_is_refused():
    with pytest.raises(DataError, match="history"):
        rank([0.1, 0.2, 0.5], target=2, seen=[2])


def test_the_callers_scores_stay_as_they_are():
    scores = np.array([[0.1, 0.9, 0.5]], np.float32)
    target_ranks(scores, np.array([0]), [np.array([1])])
    assert scores.tolist() == np.array([[0.1, 0.9, 0.5]], np.float32).tolist()


def test_hit_rate_by_hand():
    ranks = np.array([1, 10, 11, 50, 51])
    assert hit_rate(ranks, 10) == pytest.approx(2 / 5)
    assert hit_rate(ranks, 50) == pytest.approx(4 / 5)


def test_ndcg_by_hand():
    ranks = np.array([1, 2, 3, 11])
    gains = 1 + 1 / math.log2(3) + 1 / 2  # ranks 1, 2, 3; rank 11 gains nothing
    assert ndcg(ranks, 10) == pytest.approx(gains / 4)
    assert ndcg(ranks, 2) == pytest.approx((1 + 1 / math.log2(3)) / 4)


def test_summary_names_every_cutoff():
    metrics = summary(np.array([1, 7, 30]))
    assert set(metrics) == {
        *("HR@5", "HR@10", "HR@20", "HR@50"),
        *("NDCG@5", "NDCG@10", "NDCG@20"),
    }
    assert metrics["HR@5"] == pytest.approx(1 / 3)
    assert metrics["HR@10"] == pytest.approx(2 / 3)
    assert metrics["HR@50"] == 1.0
    assert metrics["NDCG@10"] == pytest.approx((1 + 1 / 3) / 3)  # log2(7 + 1) is 3


def test_no_users_give_zeros():
    assert set(summary(np.array([], np.int64)).values()) == {0.0}


def test_per_user_values_average_to_the_summary():
    ranks = np.array([1, 4, 60])
    means = dict(zip(METRICS, per_user(ranks).mean(axis=0), strict=True))
    assert means == pytest.approx(summary(ranks))
    assert means["NDCG@5"] == pytest.approx((1 + 1 / math.log2(5)) / 3)


def test_coverage_counts_an_item_once():
    lists = np.array([[0, 3], [3, 0], [3, NOTHING]])
    assert coverage(lists, n_items=8) == pytest.approx(2 / 8)


def test_no_lists_cover_nothing_and_lift_nothing():
    lists = np.full((2, 3), NOTHING)
    assert coverage(lists, n_items=4) == 0.0
    assert popularity_lift(lists, [np.array([0]), np.array([1])], np.array([1, 2, 3, 4])) == 0.0


def test_popularity_lift_by_hand():
    popularity = np.array([10, 4, 2, 0])
    histories = [np.array([1, 2]), np.array([0])]  # mean popularity 3 and 10, on average 6.5
    lists = np.array([[0, 3], [1, NOTHING]])  # 5 and 4, on average 4.5
    assert popularity_lift(lists, histories, popularity) == pytest.approx(4.5 / 6.5)


def test_popularity_lift_leaves_out_users_without_a_list():
    popularity = np.array([10, 4, 2, 0])
    lists = np.array([[0, 3], [NOTHING, NOTHING]])
    histories = [np.array([1, 2]), np.array([0])]
    assert popularity_lift(lists, histories, popularity) == pytest.approx(5 / 3)
