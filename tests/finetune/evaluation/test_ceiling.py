"""What the teacher alone adds to a retriever, on the small world."""

from dataclasses import replace

import pytest

from finetune.evaluation.ceiling import ROWS, ceiling
from finetune.evaluation.rankers import Sampling
from palr.errors import PalrError

SAMPLING = Sampling(users=30, validation=40, checked=6)


def test_it_orders_what_a_poor_retriever_found(films, ready_home):
    records = ceiling(films, ready_home, retriever="popularity", sampling=SAMPLING)
    base, teacher, meaning, _, together = records
    assert [record.model for record in records] == ["popularity", *ROWS]
    assert {record.n_users for record in records} == {30}
    assert {record.baseline for record in records[1:]} == {"popularity"}
    # Everybody watches the circle in order, which only what goes together tells.
    assert teacher.measures["delta_NDCG@10"] > 0
    assert together.measures["NDCG@10"] > meaning.measures["NDCG@10"]
    assert teacher.p_value < 0.05
    assert together.p_value < 0.05
    # It orders the list and finds nothing that is not in it.
    assert teacher.measures["HR@50"] == base.measures["HR@50"]


def test_the_same_sampling_asks_the_same_users(films, ready_home):
    first = ceiling(films, ready_home, sampling=SAMPLING)
    skipped = ceiling(films, ready_home, sampling=replace(SAMPLING, users=0, skip=30))
    assert first == ceiling(films, ready_home, sampling=SAMPLING)
    assert [record.n_users for record in skipped] == [10] * 5


def test_without_a_target_there_is_nothing_to_fit_to(films, ready_home):
    with pytest.raises(PalrError, match="raise the number of users"):
        ceiling(films, ready_home, sampling=replace(SAMPLING, validation=0))
