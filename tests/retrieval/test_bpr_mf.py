import numpy as np
import torch

from palr.retrieval.bpr_mf import BPRMF, Config


def test_the_score_is_the_pooled_user_times_the_items_and_their_bias():
    model = BPRMF(3, Config(width=2, decay=0.5)).eval()
    with torch.no_grad():
        model.chosen.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0], [4.0, 4.0]]))
        model.items.weight.copy_(torch.tensor([[1.0, 1.0], [2.0, 0.0], [0.0, -1.0]]))
        model.bias.copy_(torch.tensor([0.0, 1.0, 10.0]))
    user = np.array([0.5, 2.0]) / np.sqrt(1.5)  # half of item 0, all of item 1
    wanted = [user.sum(), 2 * user[0] + 1, -user[1] + 10]
    np.testing.assert_allclose(model.score([np.array([0, 1])])[0], wanted, rtol=1e-6)


def test_its_weights_hold_nothing_about_users():
    shapes = {name: tuple(value.shape) for name, value in BPRMF(7, Config()).state_dict().items()}
    assert shapes == {"chosen.weight": (7, 64), "items.weight": (7, 64), "bias": (7,)}
