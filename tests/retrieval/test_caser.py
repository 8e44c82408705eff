import numpy as np
import pytest
import torch

from palr.retrieval.caser import Caser, Config
from palr.retrieval.sequences import PAD


@pytest.fixture
def tiny():
    """Looks back on two items of width one; one filter of each kind, all summed."""
    model = Caser(3, Config(width=1, max_len=2, horizontal=1, vertical=1, dropout=0.0)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.items.weight.copy_(torch.tensor([[1.0], [2.0], [3.0]]))
        model.horizontal[0].weight.copy_(torch.tensor([[[1.0]]]))
        model.horizontal[1].weight.copy_(torch.tensor([[[1.0, -1.0]]]))
        model.vertical.weight.copy_(torch.tensor([[0.5, 0.25]]))
        model.merge.weight.fill_(1.0)
    return model


def test_filters_by_hand(tiny):
    # embeddings (3, 1): max(3, 1) + relu(3 - 1) + (1.5 + 0.25)
    np.testing.assert_allclose(tiny.score([np.array([2, 0])]), [[6.75, 13.5, 20.25]])
    # embeddings (1, 3): max(1, 3) + relu(1 - 3) + (0.5 + 0.75)
    np.testing.assert_allclose(tiny.score([np.array([0, 2])]), [[4.25, 8.5, 12.75]])


def test_before_the_first_item_stands_nothing(tiny):
    # embeddings (0, 2): max(0, 2) + relu(0 - 2) + (0 + 0.5)
    np.testing.assert_allclose(tiny.score([np.array([1])]), [[2.5, 5.0, 7.5]])


def test_only_the_last_items_count(tiny):
    long = np.array([0, 1, 1, 2, 0])
    np.testing.assert_array_equal(tiny.score([long]), tiny.score([long[-2:]]))


def test_batches_hold_each_item_but_the_first_behind_those_before_it(tiny):
    sequences = [np.array([1, 2, 0]), np.array([2]), np.array([0, 1])]
    batches = tiny.batches(sequences, 2, np.random.default_rng(0))
    assert [len(batch) for batch in batches] == [2, 1]
    rows = sorted(tuple(map(int, row)) for batch in batches for row in batch)
    assert rows == [(PAD, 0, 1), (PAD, 1, 2), (1, 2, 0)]


def test_a_single_item_teaches_nothing(tiny):
    assert tiny.batches([np.array([1])], 2, np.random.default_rng(0)) == []


def test_untrained_scores_all_equal_cost_the_logarithm_of_the_catalog(tiny):
    with torch.no_grad():
        tiny.items.weight.zero_()
    assert tiny.loss(np.array([[PAD, 0, 1], [1, 2, 0]])).item() == pytest.approx(np.log(3))
