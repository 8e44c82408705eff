import numpy as np
import pytest

from finetune.data.lists import (
    MISS,
    Kept,
    KeptProfiles,
    Order,
    fit_mix,
    mixed,
    order_log_odds,
    rank_in,
    sample,
)
from palr.types import Candidate, Item

from .test_logit import chosen

CANDIDATES = [Candidate(Item(str(at), str(at)), at + 1, -float(at)) for at in range(4)]


def order(*places: int, scores: tuple[float, ...] = ()) -> Order:
    return Order(0, places, scores, True, 0.5)


def test_a_miss_stays_a_miss():
    assert rank_in(order(2, 1), MISS, 4) == MISS
    assert MISS == 51


def test_what_was_not_named_follows_in_the_retrievers_order():
    assert [rank_in(order(3, 2), rank, 5) for rank in (1, 2, 3, 4, 5)] == [3, 2, 1, 4, 5]


def test_orders_survive_a_kill(tmp_path):
    kept = Kept(tmp_path / "a" / "orders.jsonl")
    kept.add(order(1, 2, scores=(-0.5, -1.0)))
    kept.add(Order(7, (3,), (), False, 1.0))
    path = tmp_path / "a" / "orders.jsonl"
    path.write_bytes(path.read_bytes() + b'\n{"user": 9, "pla')
    again = Kept(path)
    assert again.orders == kept.orders
    again.add(Order(9, (1,), (), True, 0.1))
    assert set(Kept(path).orders) == {0, 7, 9}


def test_profiles_survive_a_kill(tmp_path):
    kept = KeptProfiles(tmp_path / "p.jsonl")
    kept.add(3, ["drama"], "This viewer likes drama.")
    with (tmp_path / "p.jsonl").open("a") as stream:
        stream.write("\n[4, [")
    assert KeptProfiles(tmp_path / "p.jsonl").profiles == {
        3: (("drama",), "This viewer likes drama.")
    }


def test_a_sample_is_fixed_by_its_seed():
    assert sample(100, 10, 0) == sample(100, 10, 0)
    assert sample(100, 10, 0) != sample(100, 10, 1)
    assert sample(100, 10, 0) == sample(100, 20, 0)[:10]  # a larger sample holds the smaller
    assert sorted(sample(5, 10, 0)) == [0, 1, 2, 3, 4]


def test_log_odds_are_in_the_retrievers_order():
    features = order_log_odds(order(2, 1, scores=(3.0, 1.0)), CANDIDATES)
    # The model gave 1, 3 and, to the two that it did not score, its lowest.
    assert features[:, 0] - features[0, 0] == pytest.approx([0, 2, 0, 0])
    assert features[:, 1] - features[0, 1] == pytest.approx([0, -1, -2, -3])
    assert np.exp(features).sum(axis=0) == pytest.approx([1, 1])


def test_a_mix_follows_its_weights():
    given = order(2, 4, 1, 3, scores=(4.0, 3.0, 2.0, 1.0))
    assert mixed(given, CANDIDATES, np.array([1.0, 0.0])).places == (2, 4, 1, 3)
    assert mixed(given, CANDIDATES, np.array([0.0, 1.0])).places == (1, 2, 3, 4)
    # Model and retriever: 2 + 0, 4 - 1, 1 - 2, 3 - 3.
    assert mixed(given, CANDIDATES, np.array([1.0, 1.0])).places == (2, 1, 4, 3)


def test_standardised_scores_weigh_alike_in_every_list():
    given = order(2, 1, 3, 4, scores=(40.0, 30.0, 20.0, 10.0))
    features = order_log_odds(given, CANDIDATES, standardise=True)
    assert np.std(features[:, 0]) == pytest.approx(1)
    # 30, 40, 20, 10 have a deviation of sqrt(125) and the retriever's scores lie 1 apart.
    assert features[:, 0] - features[0, 0] == pytest.approx(
        [0, 10 / 125**0.5, -10 / 125**0.5, -20 / 125**0.5]
    )
    assert mixed(given, CANDIDATES, np.array([1.0, 0.95])).places == (2, 1, 3, 4)
    assert mixed(given, CANDIDATES, np.array([1.0, 0.95]), standardise=True).places == (1, 2, 3, 4)


def test_the_mix_finds_the_weights_that_made_the_data():
    truth = np.array([0.7, 1.5])
    features, targets = chosen(truth, 4000)
    assert fit_mix(features, targets) == pytest.approx(truth, abs=0.1)


def test_a_useless_model_gets_no_weight():
    rng = np.random.default_rng(1)
    features = [rng.normal(size=(10, 2)) for _ in range(3000)]
    targets = [int(rows[:, 1].argmax()) for rows in features]
    model, retriever = fit_mix(features, targets)
    assert abs(model) < 0.1 * retriever
