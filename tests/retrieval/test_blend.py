import numpy as np
import pytest

from palr.errors import RetrieverUnavailableError
from palr.retrieval import RETRIEVERS, retrieve
from palr.retrieval.blend import TUNED, BlendRetriever
from palr.settings import Settings
from palr.types import Item

A, B, C, D = (Item(name, name) for name in "ABCD")


class Fixed:
    """Scores every history alike."""

    name = "fixed"

    def __init__(self, **scores):
        self.items = tuple(Item(name, name) for name in scores)
        self._scores = np.array(list(scores.values()), np.float32)

    def score(self, histories):
        return np.tile(self._scores, (len(histories), 1))


def test_scores_are_the_weighted_sum_whatever_the_order_of_the_items():
    blend = BlendRetriever([(Fixed(A=1, B=2, C=3), 0.5), (Fixed(C=10, A=20, B=30), 0.25)])
    assert blend.items == (A, B, C)
    np.testing.assert_allclose(blend.score([[A], [B]]), [[5.5, 8.5, 4.0]] * 2)


def test_what_an_expert_does_not_know_is_as_bad_as_its_worst():
    blend = BlendRetriever([(Fixed(A=1, B=2, C=3), 1.0), (Fixed(A=5, D=-1), 1.0)])
    np.testing.assert_allclose(blend.score([[A]]), [[6.0, 1.0, 2.0]])
    assert [candidate.item for candidate in retrieve(blend, [A], 2)] == [C, B]


def test_one_expert_alone_ranks_as_it_does_without_the_blend():
    expert = Fixed(A=1, B=3, C=2, D=0)
    alone = [c.item for c in retrieve(expert, [D], 3)]
    assert [c.item for c in retrieve(BlendRetriever([(expert, 0.3)]), [D], 3)] == alone


def test_a_missing_expert_is_named(small_catalog, tmp_path):
    reason = RETRIEVERS["blend"].missing(small_catalog, Settings(home=tmp_path))
    assert reason is not None
    assert next(iter(TUNED["default"])) in reason
    with pytest.raises(RetrieverUnavailableError, match="train-retriever"):
        RETRIEVERS["blend"](small_catalog, Settings(home=tmp_path))
