from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from palr.retrieval import softmax
from palr.retrieval.sasrec import Config, SASRec
from palr.retrieval.sequences import PAD
from palr.retrieval.transformer import Block

CONFIG = Config(width=16, layers=2, heads=2, max_len=8, dropout=0.0)


@pytest.fixture(params=[False, True], ids=["plain", "by distance"])
def model(request):
    torch.manual_seed(2)
    model = SASRec(30, replace(CONFIG, by_distance=request.param)).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # larger than at initialisation, so that all count
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def test_a_later_item_cannot_change_an_earlier_output(model):
    items = torch.randint(30, (1, 8), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = model(items)
        for at in range(1, 8):
            changed = items.clone()
            changed[0, at] = (changed[0, at] + 7) % 30
            after = model(changed)
            assert torch.equal(before[0, :at], after[0, :at])
            assert not torch.allclose(before[0, at], after[0, at])


def test_padding_changes_nothing(model):
    short, long = np.array([3, 1]), np.array([5, 6, 7, 8, 9])
    together = model.score([short, long])
    np.testing.assert_allclose(together[0], model.score([short])[0], rtol=1e-5, atol=1e-6)


def test_the_order_of_the_history_matters(model):
    assert not np.allclose(model.score([np.array([1, 2])]), model.score([np.array([2, 1])]))


def test_only_the_most_recent_items_are_in_view(model):
    long = np.arange(20)
    np.testing.assert_array_equal(model.score([long]), model.score([long[-8:]]))


def test_the_score_is_the_last_state_times_the_tied_embeddings(model):
    history = np.array([4, 5, 6])
    with torch.no_grad():
        state = model(torch.from_numpy(history)[None])[0, -1]
        expected = (model.items.weight @ state).numpy()
    np.testing.assert_allclose(model.score([history])[0], expected, rtol=1e-5)


@torch.no_grad()
def test_a_bias_by_distance_that_has_learnt_nothing_changes_nothing():
    torch.manual_seed(0)
    plain, biased = Block(8, 2, 4, 0.0), Block(8, 2, 4, 0.0, reach=6)
    biased.load_state_dict(plain.state_dict() | {"bias": biased.bias})
    x = torch.randn(3, 5, 8)
    torch.testing.assert_close(biased(x), plain(x))


@torch.no_grad()
def test_each_head_weighs_by_distance():
    """Queries of zero leave the bias alone to decide: softmax(log 3, log 1, log 0) over what is
    zero, one and two items back; the other head looks two back."""
    block = Block(2, 2, 1, 0.0, reach=3)
    for parameter in block.parameters():
        parameter.zero_()
    block.norm_attention = torch.nn.Identity()
    block.qkv.weight[4:] = torch.eye(2)  # values are the input; queries and keys nothing
    block.merge.weight.copy_(torch.eye(2))
    block.bias.copy_(torch.tensor([[3.0, 1.0, 0.0], [0.0, 0.0, 1.0]]).log().clamp(min=-1e4))
    x = torch.tensor([[[4.0, 1.0], [8.0, 2.0], [0.0, 3.0]]])
    added = block(x) - x
    expected = [[4.0, 1.0], [(3 * 8 + 4) / 4, 1.5], [(0 + 8) / 4, 1.0]]
    torch.testing.assert_close(added[0], torch.tensor(expected))


def test_batches_hold_every_target_once_padded_on_the_right(model):
    sequences = [np.arange(n) for n in (1, 2, 5, 9, 25)]
    batches = model.batches(sequences, 2, np.random.default_rng(0))
    assert all(len(batch) <= 2 for batch in batches)
    targets = [row[1:][row[1:] != PAD] for batch in batches for row in batch]
    assert sum(map(len, targets)) == 1 + 4 + 8 + 24
    for batch in batches:
        padding = batch == PAD
        assert (padding[:, 1:] >= padding[:, :-1]).all()


def test_the_chunked_softmax_is_cross_entropy(monkeypatch):
    monkeypatch.setattr(softmax, "compute_dtype", lambda device: torch.float32)
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(300, 8, generator=generator, requires_grad=True)
    table = torch.randn(50, 8, generator=generator, requires_grad=True)
    targets = torch.randint(50, (300,), generator=generator)
    expected = cross_entropy(hidden @ table.T, targets)
    wanted = torch.autograd.grad(expected, [hidden, table])
    loss = softmax.softmax_loss(hidden, table, targets)
    got = torch.autograd.grad(loss, [hidden, table])
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(got[0], wanted[0])
    torch.testing.assert_close(got[1], wanted[1])


def test_the_sampled_softmax_of_a_large_catalog_estimates_the_full_one(monkeypatch):
    generator = torch.Generator().manual_seed(1)
    hidden, table = (
        torch.randn(64, 8, generator=generator),
        torch.randn(900, 8, generator=generator),
    )
    targets = torch.randint(900, (64,), generator=generator)
    full = cross_entropy(hidden @ table.T, targets)
    monkeypatch.setattr(softmax, "FULL_SOFTMAX_LIMIT", 100)
    torch.manual_seed(0)
    sampled = torch.stack([softmax.softmax_loss(hidden, table, targets) for _ in range(5)]).mean()
    torch.testing.assert_close(sampled, full, rtol=0.02, atol=0.0)
