import numpy as np
import pytest
import torch

from palr.retrieval.ncf import Config, NeuMF

HISTORIES = [np.array([4, 5, 6]), np.array([1]), np.arange(12)]


@pytest.fixture
def model():
    torch.manual_seed(3)
    return NeuMF(30, Config(width=8, max_len=10)).eval()


def test_scores_of_the_catalog_are_those_of_its_pairs(model):
    with torch.no_grad():
        users = model.pool(HISTORIES, model.chosen.weight)
        wanted = model(users[:, None, :], model.items.weight).numpy()
    np.testing.assert_allclose(model.score(HISTORIES), wanted, rtol=1e-4, atol=1e-5)


def test_a_pair_adds_its_factorisation_and_its_tower():
    model = NeuMF(1, Config(width=2)).eval()
    with torch.no_grad():
        model.out_gmf.weight.copy_(torch.tensor([[1.0, 2.0]]))
        model.first_user.weight.copy_(torch.eye(2))
        model.first_user.bias.zero_()
        model.first_item.weight.copy_(2 * torch.eye(2))
        model.second.weight.copy_(torch.tensor([[1.0, 1.0]]))
        model.second.bias.fill_(0.5)
        model.out_mlp.weight.fill_(10.0)
        model.out_mlp.bias.fill_(1.0)
        logit = model(torch.tensor([[3.0, 4.0, 1.0, -5.0]]), torch.tensor([[5.0, 6.0, 1.0, 1.0]]))
    gmf = 1 * 3 * 5 + 2 * 4 * 6
    tower = 10 * ((1 + 2) + 0 + 0.5) + 1  # the second hidden unit, -5 + 2, is cut off
    assert logit.tolist() == [gmf + tower]


def test_the_loss_is_binary_cross_entropy_with_so_many_negatives():
    model = NeuMF(50, Config(width=4, negatives=3)).eval()
    with torch.no_grad():
        model.chosen.weight.zero_()  # the tower's bias alone speaks: one logit for every pair
        for layer in (model.first_user, model.first_item, model.second, model.out_mlp):
            layer.weight.zero_()
        model.out_mlp.bias.fill_(1.0)
        loss = model.loss(np.array([[1, 2, 3], [4, 5, -1]])).item()
    p = 1 / (1 + np.exp(-1.0))
    assert loss == pytest.approx(-np.log(p) - 3 * np.log(1 - p), rel=1e-5)
