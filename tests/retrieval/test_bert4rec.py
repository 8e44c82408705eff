import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from palr.retrieval.bert4rec import BERT4Rec, Config
from palr.retrieval.sequences import PAD

N = 20
CONFIG = Config(width=16, layers=2, heads=2, max_len=6, dropout=0.0, hide=0.0)


def network(config):
    torch.manual_seed(2)
    model = BERT4Rec(N, config).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # larger than at initialisation, so that all count
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


@pytest.fixture
def model():
    return network(CONFIG)


def test_every_item_sees_both_sides(model):
    items = torch.tensor([[3, 1, 4, 15, 9]])
    with torch.no_grad():
        before = model(items)
        for at in range(5):
            changed = items.clone()
            changed[0, at] = (changed[0, at] + 7) % N
            assert not torch.isclose(before, model(changed)).all(dim=-1).any()


def test_padding_is_seen_by_nobody(model):
    with torch.no_grad():
        alone = model(torch.tensor([[3, 1, 4]]))
        padded = model(torch.tensor([[3, 1, 4, PAD, PAD]]))
    torch.testing.assert_close(padded[:, :3], alone)


def test_histories_of_different_lengths_share_a_batch(model):
    histories = [np.array([3, 1]), np.array([5, 6, 7, 8, 9]), np.array([0])]
    together = model.score(histories)
    for row, history in zip(together, histories, strict=True):
        np.testing.assert_allclose(row, model.score([history])[0], rtol=1e-4, atol=1e-5)


def test_the_score_is_the_state_of_an_appended_mask_times_the_tied_embeddings(model):
    with torch.no_grad():
        state = model(torch.tensor([[4, 5, 6, N]]))[0, -1]
        expected = (model.items.weight @ state).numpy()
    np.testing.assert_allclose(model.score([np.array([4, 5, 6])])[0], expected, rtol=1e-5)


def test_the_view_is_max_len_items_and_the_mask(model):
    long = np.arange(12)
    np.testing.assert_array_equal(model.score([long]), model.score([long[-6:]]))
    assert not np.allclose(model.score([long]), model.score([long[-5:]]))


def test_with_nothing_else_hidden_the_loss_asks_for_the_last_item(model):
    batch = np.array([[3, 1, 4, 15], [9, 2, PAD, PAD]])
    scores = model.score([batch[0, :3], batch[1, :1]])
    expected = cross_entropy(torch.from_numpy(scores), torch.tensor([15, 2])).item()
    assert abs(expected - np.log(N)) > 0.1
    assert model.loss(batch).item() == pytest.approx(expected, rel=0.02)  # bfloat16 on some CPUs


def test_what_is_hidden_cannot_be_seen():
    """With all items hidden a row's states are those of masks, whatever the items are."""
    model = network(Config(width=16, max_len=6, dropout=0.0, hide=1.0))
    with torch.no_grad():
        scores = model(torch.full((1, 3), N))[0] @ model.items.weight.T
    for row in ([3, 1, 4], [7, 2, 18]):
        expected = cross_entropy(scores, torch.tensor(row)).item()
        assert model.loss(np.array([row])).item() == pytest.approx(expected, rel=0.02)
