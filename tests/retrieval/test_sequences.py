import math
from importlib import import_module

import numpy as np
import pytest
import torch

from palr.data.interactions import Interactions, leave_one_out
from palr.retrieval.sequences import PAD, CausalModel, batched, pad, windows
from palr.retrieval.trainable import Plan
from palr.training.fit import fit


class Echo(CausalModel):
    """The state at a position is the embedding of its item."""

    def forward(self, items):
        return self.items(items)


def echo(temperature=None):
    model = Echo(n_items=3, width=2, max_len=4, temperature=temperature)
    with torch.no_grad():
        model.items.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]]))
    return model


def cosine(a, b):
    return np.dot(a, b) / math.hypot(*a) / math.hypot(*b)


def test_the_score_is_the_last_state_times_the_embeddings():
    scores = echo().score([np.array([0, 1]), np.array([1, 1, 2]), np.array([0])])
    np.testing.assert_array_equal(scores, [[0, 4, 2], [1, 2, 2], [1, 0, 1]])


def test_with_a_temperature_the_score_is_the_cosine_over_it():
    scores = echo(0.5).score([np.array([0, 1]), np.array([1, 1, 2]), np.array([0])])
    half = 2 * math.cos(math.radians(45))
    np.testing.assert_allclose(scores, [[0, 2, half], [half, half, 2], [2, 0, half]], atol=1e-6)


def test_the_directions_follow_the_weights_that_it_learns_and_is_served_with():
    model, history = echo(0.5).eval(), [np.array([0, 1])]
    found = [model.score(history)]
    with torch.no_grad():
        model.items.weight += 0.5
    found.append(model.score(history))
    model.load_state_dict(echo(0.5).state_dict())
    found.append(model.score(history))
    learnt = [[1.5, 0.5], [0.5, 2.5], [1.5, 1.5]]
    assert found[1][0] == pytest.approx([2 * cosine(learnt[1], each) for each in learnt])
    np.testing.assert_array_equal(found[0], found[2])


@pytest.mark.parametrize("temperature", [None, 0.5])
def test_the_loss_is_the_mean_over_every_item_that_has_a_next_one(temperature):
    model = echo(temperature)

    def surprise(item, following):
        logits = model.score([np.array([item])])[0].tolist()
        return math.log(sum(map(math.exp, logits))) - logits[following]

    expected = (surprise(0, 1) + surprise(1, 2) + surprise(2, 0)) / 3
    batch = np.array([[0, 1, 2], [2, 0, PAD]])
    assert model.loss(batch).item() == pytest.approx(expected, rel=0.01)  # bfloat16 on some CPUs


def test_padding_is_on_the_right():
    padded = pad([np.array([3]), np.array([1, 0, 2])])
    np.testing.assert_array_equal(padded, [[3, PAD, PAD], [1, 0, 2]])


def test_batches_hold_every_row_once_with_others_of_like_length():
    rows = [np.full(1 + at % 5, at) for at in range(50)]
    batches = batched(rows, 10, np.random.default_rng(0))
    assert [len(batch) for batch in batches] == [10] * 5
    assert sorted(int(row[0]) for batch in batches for row in batch) == list(range(50))
    assert not any((batch == PAD).any() for batch in batches)  # ten rows of each length


@pytest.mark.parametrize("length", [2, 8, 9, 10, 17, 40])
def test_windows_make_every_item_but_the_first_a_target_once(length):
    for seed in range(10):
        cuts = windows(np.arange(length), 8, np.random.default_rng(seed))
        assert all(2 <= len(cut) <= 9 for cut in cuts)
        assert sorted(np.concatenate([cut[1:] for cut in cuts])) == list(range(1, length))


def test_a_single_item_teaches_nothing():
    assert windows(np.array([1]), 8, np.random.default_rng(0)) == []


ORDERED = ("sasrec", "sasrec_published", "gru4rec", "caser", "bert4rec")


@pytest.mark.parametrize("module", ORDERED)
def test_what_always_follows_is_learnt(module):
    """Eight people walk around a circle of twelve items; the next step is the best answer."""
    steps = [(str(user), str(100 + (user + at) % 12), at) for user in range(8) for at in range(12)]
    split = leave_one_out(Interactions.from_rows(*zip(*steps, strict=True)))
    architecture = import_module(f"palr.retrieval.{module}")
    torch.manual_seed(0)
    model = architecture.build(12, {"max_len": 5, "dropout": 0.0})
    fit(model, split, Plan(epochs=15, batch_size=8, lr=1e-2, patience=15), 0, quiet=True)
    best = model.eval().score(split.test_histories)
    for user, history in enumerate(split.test_histories):
        best[user, history] = -np.inf
    np.testing.assert_array_equal(best.argmax(1), split.test_targets)
