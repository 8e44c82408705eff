"""The teacher of soft targets, by hand."""

from dataclasses import replace

import numpy as np
import pytest

from finetune.tasks import Example
from finetune.teacher import FEATURES, Teacher, taught
from palr.catalog import Catalog
from palr.domains import MOVIES
from palr.types import Item

ITEMS = (
    Item("seen", "Seen", keywords=("Drama",)),
    Item("last", "Last", keywords=("Crime", "Drama")),
    Item("near", "Near", keywords=("Drama",)),
    Item("far", "Far", keywords=("Crime", "Drama")),
)
VECTORS = np.array([[1, 0], [0, 1], [0.6, 0.8], [-1, 0]], np.float32)
TEACHER = Teacher(Catalog("ml-100k", MOVIES, ITEMS), VECTORS, {"near": 3})
EXAMPLE = Example("Recommend_Retrieval", 0, ("seen", "last"), ("near",), ("far", "near"), (2, 1))


def test_features_by_hand():
    assert len(FEATURES) == 5
    far, near = TEACHER.features(EXAMPLE)
    # Closeness to the last, to the closest, mean of both; keywords; popularity.
    assert far == pytest.approx([0, 0, -0.5, 2, 0])
    assert near == pytest.approx([0.8, 0.8, 0.7, 1, np.log(4)])


def test_it_prefers_what_was_chosen():
    examples = [replace(EXAMPLE, scores=(float(n % 3), 1.0)) for n in range(30)]
    learnt = taught(TEACHER, examples)
    assert all(far < near for far, near in (example.soft for example in learnt))
    assert [replace(example, soft=()) for example in learnt] == examples
