import numpy as np
import pytest
import torch

from palr.retrieval.lightgcn import Config, LightGCN

# Two users; item 0 is shared, so that it has two users, items 1 and 2 have one each.
SEQUENCES = [np.array([0, 1]), np.array([2, 0])]
HALF, ROOT = 0.5, 8**-0.5
TO_USERS = np.array([[HALF, 1 / 2**0.5, 0], [HALF, 0, 1 / 2**0.5]])  # 1 / sqrt(n_user n_item)


def model(hops):
    torch.manual_seed(0)
    model = LightGCN(3, Config(width=4, hops=hops, decay=1.0))
    model.batches(SEQUENCES, 2, np.random.default_rng(0))
    return model


def test_a_hop_goes_to_the_users_and_back_by_the_roots_of_degrees():
    one = model(hops=1)
    spread = np.array([[HALF, ROOT, ROOT], [ROOT, HALF, 0], [ROOT, 0, HALF]])
    first = one.items.weight.detach().numpy()
    wanted = (first + spread @ first) / 2
    np.testing.assert_allclose(one.propagate().detach().numpy(), wanted, rtol=1e-5)
    np.testing.assert_allclose(spread, TO_USERS.T @ TO_USERS, rtol=1e-12)


def test_the_final_vectors_are_the_mean_over_the_hops():
    two = model(hops=2)
    first, spread = two.items.weight.detach().numpy(), TO_USERS.T @ TO_USERS
    wanted = (first + spread @ first + spread @ spread @ first) / 3
    np.testing.assert_allclose(two.propagate().detach().numpy(), wanted, rtol=1e-5)


def test_its_gradient_is_that_of_the_same_product_of_dense_matrices():
    two, target = model(hops=2), torch.arange(12.0).view(3, 4)
    (two.propagate() * target).sum().backward()
    spread = torch.from_numpy(TO_USERS.T @ TO_USERS).float()
    dense = (torch.eye(3) + spread + spread @ spread) / 3
    torch.testing.assert_close(two.items.weight.grad, dense.T @ target)


def test_a_visitor_is_one_aggregation_of_their_items():
    one = model(hops=1)
    one.loss(np.array([[0, 1], [2, 0]]))
    scores = one.score([np.array([0, 2])])
    final = one.propagate().detach().numpy()
    user = (final[0] / 2**0.5 + final[2]) / 2**0.5
    np.testing.assert_allclose(scores[0], final @ user, rtol=1e-5)


def test_stored_weights_serve_without_the_graph():
    one = model(hops=1)
    one.loss(np.array([[0, 1], [2, 0]]))
    wanted = one.score(SEQUENCES)
    served = LightGCN(3, one.config)
    served.load_state_dict(one.state_dict())
    np.testing.assert_array_equal(served.score(SEQUENCES), wanted)


def test_a_step_of_training_is_seen_by_the_next_score():
    one = model(hops=1)
    one.loss(np.array([[0, 1], [2, 0]])).backward()
    before = one.score(SEQUENCES)
    with torch.no_grad():
        one.items.weight.sub_(one.items.weight.grad)
    one.loss(np.array([[0, 1], [2, 0]]))
    assert not np.allclose(one.score(SEQUENCES), before)


def test_without_a_graph_there_is_nothing_to_propagate():
    with pytest.raises(RuntimeError, match="batches"):
        LightGCN(3, Config()).propagate()
