"""The losses, by hand."""

import pytest
import torch

from finetune.training.collate import NOWHERE
from finetune.training.losses import (
    choice_logits,
    distilled_loss,
    listwise_loss,
    read_at,
    relevance_logits,
    target_ranks,
)


def test_listwise_loss_by_hand():
    logits = torch.zeros(2, 3, 10)
    logits[0, 0, [4, 5, 6]] = torch.tensor([1.0, 2.0, 3.0])
    choices = torch.tensor([[4, 5, 6], [4, 5, NOWHERE]])
    prior = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    scored = choice_logits(logits, choices) + prior
    assert scored[0].tolist() == [1.0, 2.0, 3.0]
    assert scored[1].tolist() == [1.0, 0.0, float("-inf")]
    weights = torch.tensor([[0.0, 0.25, 0.75], [0.0, 1.0, 0.0]])
    # log softmax of (1, 2, 3) is (-2.4076, -1.4076, -0.4076); of (1, 0) it is (-0.3133, -1.3133).
    assert listwise_loss(scored, weights).tolist() == pytest.approx(
        [0.25 * 1.4076 + 0.75 * 0.4076, 1.3133], abs=1e-4
    )
    assert target_ranks(scored, torch.tensor([2, 1])).tolist() == [1, 2]


def test_relevance_is_read_behind_each_mark():
    marks = torch.tensor([[2, 5], [4, NOWHERE]])
    logits = torch.zeros(2, 2, 10)  # rows, choices, vocabulary
    logits[0, 0, 3], logits[0, 1, 6] = 2.0, 1.0
    logits[1, 0, 3] = 4.0
    odds = relevance_logits(logits, marks, torch.tensor([3, 6]))
    assert odds.tolist() == [[2.0, -1.0], [4.0, float("-inf")]]


def test_logits_are_read_where_each_row_has_its_places(tiny_llama):
    tokens = torch.arange(12).reshape(2, 6)
    with torch.inference_mode():
        with read_at(tiny_llama.model, torch.tensor([[1, 3], [4, NOWHERE]])):
            found = tiny_llama.model(tokens).logits
        whole = tiny_llama.model(tokens).logits
    assert found.shape[:2] == (2, 2)
    assert whole.shape[:2] == (2, 6)  # as before, behind the block
    torch.testing.assert_close(found[0], whole[0, [1, 3]])
    torch.testing.assert_close(found[1, 0], whole[1, 4])


def test_distilled_loss_by_hand():
    logits = torch.tensor([[3.0, 1.0, 2.0], [5.0, 1.0, float("-inf")]])
    soft = torch.tensor([[1.0, 0.0, 2.0], [1.0, 1.0, 0.0]])
    # Apart by (2, 1, 0), centred (1, 0, -1); and by (4, 0), centred (2, -2).
    assert distilled_loss(logits, soft).tolist() == pytest.approx([2 / 3, 4.0])
    assert distilled_loss(soft + 7.0, soft).tolist() == pytest.approx([0.0, 0.0])
