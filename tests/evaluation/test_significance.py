import math

import numpy as np
import pytest

from palr.errors import DataError
from palr.evaluation.metrics import hit_rate, per_user, summary
from palr.evaluation.significance import compare, intervals


def test_the_interval_of_a_share_is_that_of_the_binomial():
    ranks = np.array([1] * 300 + [100] * 700)
    low, high = intervals(ranks)["HR@10"]
    half = 1.96 * math.sqrt(0.3 * 0.7 / 1000)
    assert low == pytest.approx(0.3 - half, abs=0.003)
    assert high == pytest.approx(0.3 + half, abs=0.003)


def test_it_is_the_bootstrap_over_users():
    ranks = np.random.default_rng(5).geometric(0.03, size=400)
    rng = np.random.default_rng(0)
    drawn = [ranks[rng.integers(400, size=400)] for _ in range(4000)]
    means = np.stack([per_user(users).mean(axis=0) for users in drawn])
    expected = np.quantile(means, [0.025, 0.975], axis=0).T
    assert np.array([*intervals(ranks).values()]) == pytest.approx(expected, abs=0.004)


def test_every_interval_holds_its_metric():
    ranks = np.random.default_rng(1).integers(1, 200, size=500)
    for name, (low, high) in intervals(ranks).items():
        assert low <= summary(ranks)[name] <= high


def test_a_model_is_no_better_than_itself():
    ranks = np.random.default_rng(2).integers(1, 80, size=200)
    comparison = compare(ranks, ranks)
    assert set(comparison.deltas.values()) == {0.0}
    assert set(comparison.intervals.values()) == {(0.0, 0.0)}
    assert set(comparison.p_values.values()) == {1.0}


def test_a_clear_gain_is_significant_and_the_reverse_is_its_mirror():
    worse = np.random.default_rng(3).integers(1, 80, size=2000)
    better = np.maximum(worse - 10, 1)
    gain, loss = compare(better, worse), compare(worse, better)
    assert gain.deltas["HR@10"] == pytest.approx(hit_rate(better, 10) - hit_rate(worse, 10))
    assert gain.intervals["NDCG@10"][0] > 0
    assert gain.p_values["NDCG@10"] == pytest.approx(2 / 10_001)
    assert loss.deltas["NDCG@10"] == -gain.deltas["NDCG@10"]
    assert loss.p_values["NDCG@10"] == gain.p_values["NDCG@10"]


def test_pairs_count_not_only_totals():
    """The same two sets of ranks: user by user alike, or not; only the pairing tells."""
    first = np.array([5] * 50 + [20] * 950)
    shifted = first.copy()
    shifted[50] = 5
    scrambled = np.roll(shifted, 500)
    paired, unpaired = compare(shifted, first), compare(scrambled, first)
    assert paired.deltas["HR@10"] == pytest.approx(unpaired.deltas["HR@10"])
    width = {name: high - low for name, (low, high) in paired.intervals.items()}
    wider = {name: high - low for name, (low, high) in unpaired.intervals.items()}
    assert width["HR@10"] * 5 < wider["HR@10"]


def test_a_p_value_by_hand():
    # Three users gain a hit and one loses it; how often does a resample of four show no gain?
    # Its gain is wins - losses with wins ~ Binomial(4, 3/4): at most 0 for wins of 0, 1 or 2.
    no_gain = sum(math.comb(4, w) * 0.75**w * 0.25 ** (4 - w) for w in range(3))
    comparison = compare(np.array([1, 1, 1, 99]), np.array([99, 99, 99, 1]))
    assert comparison.p_values["HR@10"] == pytest.approx(2 * no_gain, abs=0.02)


def test_the_same_seed_gives_the_same_answer():
    ranks = np.random.default_rng(4).integers(1, 80, size=100)
    assert intervals(ranks) == intervals(ranks)
    assert intervals(ranks) != intervals(ranks, seed=1)


def test_ranks_of_different_users_cannot_be_paired():
    with pytest.raises(DataError, match="3 and of 2 users"):
        compare(np.array([1, 2, 3]), np.array([1, 2]))


def test_no_users_are_refused():
    with pytest.raises(DataError, match="no users"):
        intervals(np.array([], np.int64))
