"""The teacher of soft targets, by hand."""

from dataclasses import replace

import numpy as np
import pytest

from finetune.data.tasks import Example
from finetune.data.teacher import FEATURES, LEAST, RECENT, Teacher, taught
from palr.catalog.catalog import Catalog
from palr.domains import MOVIES
from palr.errors import DataError
from palr.types import Item

ITEMS = (
    Item("seen", "Seen", keywords=("Drama",)),
    Item("last", "Last", keywords=("Crime", "Drama")),
    Item("near", "Near", keywords=("Drama",)),
    Item("far", "Far", keywords=("Crime", "Drama")),
    *(Item(f"other {n}", f"Other {n}") for n in range(RECENT)),
)
VECTORS = np.array([[1, 0], [0, 1], [0.6, 0.8], [-1, 0]] + [[0, 1]] * RECENT, np.float32)
# Three users chose seen and near, one far and then enough others.
SEQUENCES = [np.array([0, 2])] * 3 + [np.arange(3, len(ITEMS))]
KNOWN = [item.id for item in ITEMS]
TEACHER = Teacher(Catalog("ml-100k", MOVIES, ITEMS), VECTORS, KNOWN, SEQUENCES)
EXAMPLE = Example("Recommend_Retrieval", 0, ("seen", "last"), ("near",), ("far", "near"), (2, 1))


def test_features_by_hand():
    assert len(FEATURES) == 7
    far, near = TEACHER.features(EXAMPLE)
    # Closeness to the last, to the closest, mean of both; keywords; popularity, of late; together.
    assert far == pytest.approx([0, 0, -0.5, 2, np.log(2), 0, np.log(LEAST)])
    # Of the Gram matrix [[403, 3], [3, 403]] of seen and near.
    together = np.log(LEAST + 3 / 403)
    assert near == pytest.approx([0.8, 0.8, 0.7, 1, np.log(4), np.log(4), together])


def test_it_prefers_what_was_chosen():
    examples = [replace(EXAMPLE, scores=(float(n % 3), 1.0)) for n in range(30)]
    learnt = taught(TEACHER, examples)
    assert all(far < near for far, near in (example.soft for example in learnt))
    assert [replace(example, soft=()) for example in learnt] == examples


def test_there_must_be_something_to_fit_it_to():
    with pytest.raises(DataError, match="raise candidates"):
        taught(TEACHER, [replace(EXAMPLE, retrieved=False)])


def test_it_is_fitted_to_what_was_retrieved():
    examples = [replace(EXAMPLE, scores=(float(n % 3), 1.0)) for n in range(30)]
    put_in = [replace(example, answer=("far",), retrieved=False) for example in examples]
    learnt = taught(TEACHER, examples + put_in)
    assert [example.soft for example in learnt[30:]] == [example.soft for example in learnt[:30]]
    assert [example.soft for example in learnt[:30]] == [e.soft for e in taught(TEACHER, examples)]
