"""The map against an SVD, and what lies nearest by hand."""

import numpy as np
import pytest

from palr.insight.projection import background, nearest, plane
from palr.retrieval.semantic import SemanticRetriever
from palr.types import Item


def test_the_plane_is_that_of_the_singular_value_decomposition():
    vectors = np.random.default_rng(0).normal(size=(200, 12)).astype(np.float32)
    vectors[:, 3] *= 9
    vectors[:, 7] *= 5
    found = plane(vectors)
    _, sizes, axes = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    assert np.abs(np.sum(found.axes * axes[:2], axis=1)) == pytest.approx([1, 1], abs=1e-4)
    assert found.share == pytest.approx((sizes[:2] ** 2).sum() / (sizes**2).sum(), abs=1e-4)
    assert found.axes[0, 3] > 0  # signs are fixed
    assert found.axes[1, 7] > 0
    np.testing.assert_allclose(found.place(vectors), vectors @ found.axes.T)


def test_equal_vectors_have_a_map_too():
    assert plane(np.ones((3, 4), np.float32)).share == 0.0


def test_a_large_catalog_is_drawn_in_part():
    assert background(5).tolist() == [0, 1, 2, 3, 4]
    assert background(100, limit=3).tolist() == [0, 49, 99]


def test_the_nearest_pick_by_hand():
    items = [Item(name, name) for name in "abcd"]
    vectors = np.array([[1, 0, 0], [0.9, 0.1, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    retriever = SemanticRetriever(items, vectors)
    a, b, c, _ = items
    close = nearest(retriever, [a, Item("x", "x")], [b, c, Item("y", "y")])
    assert close[0][0] == b
    assert close[0][1] == pytest.approx(float(retriever.vectors[0] @ retriever.vectors[1]))
    assert close[1] is None
    assert nearest(retriever, [a], [Item("y", "y")]) == [None]
