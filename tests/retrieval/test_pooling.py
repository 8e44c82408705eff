import numpy as np
import pytest
import torch

from palr.evaluation.metrics import hit_rate, target_ranks
from palr.retrieval import bpr_mf, lightgcn, ncf
from palr.retrieval.pooling import PooledModel, bpr_loss
from palr.retrieval.sequences import PAD
from palr.retrieval.splits import training_data
from palr.retrieval.trainable import Plan
from palr.training.fit import fit

VECTORS = torch.tensor([[1.0, 0.0], [0.0, 2.0], [4.0, 4.0]])


class Pooled(PooledModel):
    def loss(self, batch):
        raise NotImplementedError

    def score(self, histories):
        raise NotImplementedError


def test_a_user_is_their_items_faded_by_what_came_since():
    users = Pooled(max_len=9, decay=0.5).pool([np.array([0, 1, 2]), np.array([1])], VECTORS)
    weights = np.array([0.25, 0.5, 1.0])
    wanted = weights @ VECTORS.numpy() / np.sqrt(weights.sum())
    np.testing.assert_allclose(users.numpy(), [wanted, [0.0, 2.0]], rtol=1e-6)


def test_without_decay_a_user_is_the_sum_over_the_root_of_its_length():
    model = Pooled(max_len=9, decay=1.0)
    users = model.pool([np.array([0, 1, 2]), np.array([2, 0, 1])], VECTORS)
    np.testing.assert_allclose(users.numpy(), [[5 / 3**0.5, 6 / 3**0.5]] * 2, rtol=1e-6)


def test_only_the_most_recent_items_are_in_view():
    model = Pooled(max_len=2, decay=0.9)
    long, short = np.array([0, 1, 2]), np.array([1, 2])
    assert torch.equal(model.pool([long], VECTORS), model.pool([short], VECTORS))


def test_in_training_an_item_meets_the_user_whom_all_others_make():
    rows = torch.tensor([[0, 1, 2], [2, 1, PAD]])
    users = Pooled(max_len=9, decay=0.5).pool_others(VECTORS[rows.clamp(min=0)], rows != PAD)
    zero, one, two = VECTORS
    wanted = [
        [(one + 0.5 * two) / 1.5**0.5, (zero + two) / 2**0.5, (0.5 * zero + one) / 1.5**0.5],
        [one, two],
    ]
    torch.testing.assert_close(users[0], torch.stack(wanted[0]))
    torch.testing.assert_close(users[1, :2], torch.stack(wanted[1]))


def test_the_last_item_meets_the_user_who_is_served():
    model, rows = Pooled(max_len=9, decay=0.7), torch.tensor([[0, 1, 2]])
    trained = model.pool_others(VECTORS[rows], rows != PAD)[0, -1]
    torch.testing.assert_close(model.pool([np.array([0, 1])], VECTORS)[0], trained)


def test_batches_hold_every_item_of_whoever_chose_two():
    sequences = [np.arange(n) + 100 * n for n in (1, 2, 7, 20)]
    batches = Pooled(max_len=5, decay=1.0).batches(sequences, 2, np.random.default_rng(0))
    shown = {int(item) for batch in batches for item in batch[batch != PAD]}
    assert shown == {int(item) for sequence in sequences[1:] for item in sequence}


def test_bpr_compares_the_chosen_with_what_the_row_does_not_hold():
    # Of three items the row holds two, so every pair that counts has item 2 as its negative.
    table = torch.tensor([[1.0], [2.0], [-1.0]])
    users = torch.tensor([[[1.0], [3.0], [99.0]]])
    loss = bpr_loss(users, torch.tensor([[0, 1, PAD]]), table, n_negatives=50)
    margins = torch.tensor([1.0 * (1 + 1), 3.0 * (2 + 1)])
    torch.testing.assert_close(loss, -torch.sigmoid(margins).log().mean())


def test_bpr_adds_the_bias_to_both_sides():
    table, bias = torch.zeros(3, 1), torch.tensor([0.5, 0.5, -1.0])
    loss = bpr_loss(torch.ones(1, 2, 1), torch.tensor([[0, 1]]), table, 50, bias)
    assert loss.item() == pytest.approx(np.log1p(np.exp(-1.5)))


@pytest.mark.parametrize("architecture", [bpr_mf, ncf, lightgcn], ids=lambda m: m.__name__)
def test_models_of_pooled_users_learn_to_beat_popularity(architecture, small_catalog):
    split = training_data(small_catalog).split
    torch.manual_seed(0)
    model = architecture.build(len(split.item_ids), {"width": 16})
    fit(model, split, Plan(epochs=30, batch_size=16, lr=2e-2, patience=30), seed=0, quiet=True)

    counts = np.bincount(np.concatenate(split.train), minlength=len(split.item_ids))
    popularity = np.tile(counts.astype(np.float32), (len(split.train), 1))
    own, by_count = (
        hit_rate(target_ranks(scores, split.test_targets, split.test_histories), 5)
        for scores in (model.score(split.test_histories), popularity)
    )
    assert own > by_count + 0.3
