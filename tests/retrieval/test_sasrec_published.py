from math import exp, log

import numpy as np
import pytest
import torch

from palr.retrieval.sasrec_published import TUNED, build


def softplus(x):
    return log(1 + exp(x))


def network(rows):
    model = build(len(rows), {"width": len(rows[0]), "heads": 1, "max_len": 3})
    with torch.no_grad():
        model.items.weight.copy_(torch.tensor(rows))
    return model


def test_the_size_is_the_published_one():
    for dataset, max_len, dropout in (("ml-1m", 200, 0.2), ("beauty", 50, 0.5)):
        config = TUNED[dataset][0]
        assert (config.width, config.layers, config.heads, config.ffn) == (50, 2, 1, 1)
        assert (config.max_len, config.dropout) == (max_len, dropout)


def test_only_the_last_items_are_learnt_from():
    model = network([[0.0]] * 10)
    [batch] = model.batches([np.arange(10), np.array([4])], 8, np.random.default_rng(0))
    np.testing.assert_array_equal(batch, [[6, 7, 8, 9]])


def test_the_loss_tells_the_target_from_the_only_other_item():
    model = network([[2.0, 0.0], [-1.0, 0.5]])
    states = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    # the first scores 2 for its target 0 and -1 for item 1; the second 1 for item 1 and 0 for 0
    expected = (softplus(-2) + softplus(-1) + softplus(-1) + softplus(0)) / 2
    loss = model.next_item_loss(states, torch.tensor([0, 1]))
    assert loss.item() == pytest.approx(expected)


def test_every_other_item_is_drawn_alike():
    model = network([[9.0], [1.0], [-2.0], [0.5]])
    torch.manual_seed(0)
    loss = model.next_item_loss(torch.ones(20_000, 1), torch.zeros(20_000, dtype=torch.long))
    expected = softplus(-9) + (softplus(1) + softplus(-2) + softplus(0.5)) / 3
    assert loss.item() == pytest.approx(expected, abs=0.02)
