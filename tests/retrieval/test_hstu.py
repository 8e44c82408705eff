import numpy as np
import pytest
import torch

from palr.retrieval.hstu import HSTU, Config

CONFIG = Config(width=8, layers=1, heads=2, max_len=6, dropout=0.0)


@pytest.fixture
def model():
    torch.manual_seed(2)
    model = HSTU(30, CONFIG).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # larger than at initialisation, so that all count
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


def silu(x):
    return x / (1 + np.exp(-x))


def norm(x, layer):
    centred = x - x.mean()
    scaled = centred / np.sqrt((centred**2).mean() + layer.eps)
    return scaled * layer.weight.numpy() + layer.bias.numpy()


@torch.no_grad()
def test_a_unit_is_the_formula_of_the_publication(model):
    history = [3, 17, 3, 9]
    width, heads = CONFIG.width, CONFIG.heads
    block = model.blocks[0]
    x = np.array([model.items.weight[i].numpy() * np.sqrt(width) for i in history])
    x = x + model.positions.weight[: len(history)].numpy()
    weight, bias = block.uvqk.weight.numpy(), block.uvqk.bias.numpy()
    u, v, q, k = np.split(
        np.array([silu(weight @ norm(row, block.norm) + bias) for row in x]), 4, axis=1
    )
    states = []
    for i in range(len(history)):
        mixed = np.zeros(width)
        for head in range(heads):
            part = slice(head * width // heads, (head + 1) * width // heads)
            for j in range(i + 1):
                match = silu(q[i, part] @ k[j, part] + block.bias[head, i - j].item())
                mixed[part] += match * v[j, part]
        gated = norm(mixed, block.norm_mixed) * u[i]
        y = x[i] + block.merge.weight.numpy() @ gated + block.merge.bias.numpy()
        states.append(norm(y, model.norm))
    np.testing.assert_allclose(model(torch.tensor([history]))[0].numpy(), states, atol=1e-5)


@torch.no_grad()
def test_a_later_item_cannot_change_an_earlier_state(model):
    before = model(torch.tensor([[1, 2, 3, 4]]))
    after = model(torch.tensor([[1, 2, 3, 5]]))
    assert torch.equal(before[0, :3], after[0, :3])
    assert not torch.allclose(before[0, 3], after[0, 3])


def test_padding_and_what_lies_out_of_view_change_nothing(model):
    short, long = np.array([3, 1]), np.arange(10)
    together = model.score([short, long])
    np.testing.assert_allclose(together[0], model.score([short])[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(together[1], model.score([long[-6:]])[0], rtol=1e-5, atol=1e-5)
