"""A mix by hand: two scores of each candidate, and whose word counts."""

import math

import numpy as np
import pytest

from palr.errors import PalrError
from palr.llm.scripted import ScriptedLLM
from palr.ranking import scored_mode
from palr.ranking.mix import ScoreMix, log_odds, mixed_ranking
from palr.types import Candidate, Item, RankedItem, Ranking

FOUND = [
    Candidate(Item(str(n), f"Film {n}"), n, score) for n, score in ((1, 4.0), (2, 2.0), (3, 0.0))
]


def model_says(*order):
    """A ranking of (place, log-probability) pairs."""
    items = (
        RankedItem(FOUND[place - 1].item, n, place, logprob)
        for n, (place, logprob) in enumerate(order, start=1)
    )
    return Ranking(tuple(items))


def ids(ranking):
    return [ranked.item.id for ranked in ranking.items]


def test_a_standard_deviation_of_the_retriever_is_worth_a_factor_of_e():
    # The retriever's scores 4, 2, 0 have a deviation of sqrt(8/3); its steps are 2 / 1.633 = 1.22.
    step = 2 / math.sqrt(8 / 3)
    nearly = model_says((2, 0.0), (1, -step + 0.01), (3, -9.0))
    assert ids(mixed_ranking(nearly, FOUND, 3)) == ["1", "2", "3"]
    surely = model_says((2, 0.0), (1, -step - 0.01), (3, -9.0))
    assert ids(mixed_ranking(surely, FOUND, 3)) == ["2", "1", "3"]


def test_a_candidate_that_the_model_did_not_score_counts_as_its_last():
    mixed = mixed_ranking(model_says((2, -1.0), (3, -2.0)), FOUND, 2)
    # 1: -2 + 2.45, 2: -1 + 1.22, 3: -2 + 0
    assert ids(mixed) == ["1", "2"]
    assert [ranked.retriever_rank for ranked in mixed.items] == [1, 2]
    assert mixed.items[0].logprob is None


def test_equal_scores_of_the_retriever_leave_the_model_its_order():
    same = [Candidate(c.item, c.rank, 0.5) for c in FOUND]
    assert ids(mixed_ranking(model_says((3, -1.0), (1, -2.0), (2, -3.0)), same, 3)) == [
        "3",
        "1",
        "2",
    ]


def test_what_an_adapter_added_of_the_retriever_is_not_counted_twice():
    own = model_says((3, 0.0), (2, -0.1), (1, -0.2))
    scores = {3: 0.0, 2: -0.1, 1: -0.2}
    summed = ScoreMix(2.0).add([scores[place] for place in (1, 2, 3)], FOUND)
    served = model_says(*((place, summed[place - 1]) for place in (1, 2, 3)))
    assert ids(mixed_ranking(served, FOUND, 3, ScoreMix(2.0))) == ids(mixed_ranking(own, FOUND, 3))
    surely = model_says((3, 9.0), (2, 5.0), (1, 0.0))
    summed = ScoreMix(2.0).add([0.0, 5.0, 9.0], FOUND)
    served = model_says(*((place, summed[place - 1]) for place in (3, 2, 1)))
    mixed = mixed_ranking(served, FOUND, 3, ScoreMix(2.0))
    assert ids(mixed) == ids(mixed_ranking(surely, FOUND, 3))
    assert ids(mixed_ranking(served, FOUND, 3)) != ids(mixed_ranking(surely, FOUND, 3))


def test_log_odds_are_probabilities_of_the_list():
    features = log_odds([2, 1], [0.0, 0.0], [1.0, 1.0])
    assert np.allclose(np.exp(features), 0.5)


def test_a_prior_adds_the_retrievers_scores():
    # 1 + 0.5 * 4, 2 + 0.5 * 2, 3 + 0.5 * 0: all alike.
    assert ScoreMix(0.5).add([1.0, 2.0, 3.0], FOUND) == pytest.approx([-math.log(3)] * 3)
    assert ScoreMix(0.0).add([1.0, 2.0, 3.0], FOUND) == [1.0, 2.0, 3.0]


def test_a_spread_makes_every_list_count_alike():
    # 1, 2, 3 have a deviation of sqrt(2/3); with a spread of 2 they become -2.449, 0, 2.449.
    step = 2 / math.sqrt(2 / 3)
    odds = np.exp([0.5 * 4.0 - step, 0.5 * 2.0, step])
    for scale in (1.0, 7.0):
        scores = [scale, 2.0 * scale, 3.0 * scale]
        assert np.exp(ScoreMix(0.5, 2.0).add(scores, FOUND)) == pytest.approx(odds / odds.sum())
    alike = ScoreMix(0.5, 2.0).add([1.0, 1.0, 1.0], FOUND)
    assert alike == pytest.approx(ScoreMix(0.5).add([1.0, 1.0, 1.0], FOUND))
    assert ScoreMix(0.0, 2.0).add([1.0, 2.0, 3.0], FOUND) == [1.0, 2.0, 3.0]


def test_a_mix_needs_scores():
    llm = ScriptedLLM()
    assert scored_mode(None, llm) == "labels"
    assert scored_mode("likelihood", llm) == "likelihood"
    with pytest.raises(PalrError, match="'labels' or 'likelihood' or 'relevance'"):
        scored_mode("titles", llm)
