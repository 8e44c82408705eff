import math

import numpy as np
import pytest
import torch

from palr.retrieval.gru4rec import Config, GRU4Rec

CONFIG = Config(width=8, hidden=12, layers=2, max_len=6, dropout=0.0)


@pytest.fixture
def model():
    torch.manual_seed(2)
    return GRU4Rec(20, CONFIG).eval()


def test_half_open_gates_halve_the_memory_at_each_step():
    """With all weights zero but the candidate's input, h_t = h_(t-1) / 2 + tanh(E[item_t]) / 2."""
    model = GRU4Rec(3, Config(width=1, hidden=1)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.items.weight.copy_(torch.tensor([[1.0], [2.0], [-3.0]]))
        model.gru.weight_ih_l0[2] = 1.0  # rows: reset, update, candidate
        model.project.weight.fill_(1.0)
    state = (math.tanh(1.0) / 2 + math.tanh(2.0)) / 2
    scores = model.score([np.array([0, 1])])
    np.testing.assert_allclose(scores, [[state, 2 * state, -3 * state]], rtol=1e-5)


def test_a_later_item_cannot_change_an_earlier_output(model):
    items = torch.tensor([[3, 1, 4, 1, 5, 9]])
    changed = torch.tensor([[3, 1, 4, 2, 5, 9]])
    with torch.no_grad():
        before, after = model(items), model(changed)
    assert torch.equal(before[0, :3], after[0, :3])
    assert not torch.isclose(before[0, 3:], after[0, 3:]).all(dim=-1).any()


def test_padding_changes_nothing(model):
    short, long = np.array([3, 1]), np.array([5, 6, 7, 8, 9])
    together = model.score([short, long])
    np.testing.assert_allclose(together[0], model.score([short])[0], rtol=1e-5, atol=1e-6)


def test_only_the_most_recent_items_are_in_view(model):
    long = np.arange(20)
    np.testing.assert_array_equal(model.score([long]), model.score([long[-6:]]))
    assert not np.allclose(model.score([long]), model.score([long[-5:]]))
