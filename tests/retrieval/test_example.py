"""The worked example of palr/README.md: a retriever as a reader would add it."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from palr import retrieval
from palr.evaluation.experiment import evaluated_models
from palr.retrieval import RETRIEVERS, load_retriever, retrieve
from palr.retrieval.splits import training_data

from . import test_retrievers as conformance

PAGE = Path(__file__).parents[2] / "palr" / "README.md"


@pytest.fixture
def followed(monkeypatch):
    """The example's module and entry, in their places for one test."""
    section = PAGE.read_text().partition("### Example: a retriever")[2]
    code, entry = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    module = ModuleType("palr.retrieval.followed")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(code, module.__dict__)
    entries = eval(f"{{{entry}}}", {**vars(retrieval), "followed": module})
    for name, added in entries.items():
        monkeypatch.setitem(RETRIEVERS, name, added)
    return module


def test_the_example_passes_the_conformance_tests(followed, small_catalog, fresh_settings):
    example = load_retriever("followed", small_catalog, fresh_settings)
    conformance.test_it_is_called_by_its_key(example, small_catalog, fresh_settings)
    conformance.test_its_items_are_distinct_items_of_the_catalog(example, small_catalog)
    conformance.test_scores_are_finite_and_one_for_each_item(example)
    conformance.test_candidates_are_distinct_unseen_and_as_many_as_asked(example, small_catalog, 10)
    conformance.test_a_long_history_is_served(example)
    conformance.test_asking_twice_gives_the_same_answer(example, small_catalog, fresh_settings)
    conformance.test_a_batch_equals_one_at_a_time(example)


def test_the_example_recommends_what_followed_the_last_pick(
    followed, small_catalog, fresh_settings
):
    data = training_data(small_catalog)
    items = [small_catalog.item(item_id) for item_id in data.item_ids]
    example = followed.FollowedRetriever(items, data.split.train)
    before, after = data.split.train[0][-2:]
    scores = {c.item.id: c.score for c in retrieve(example, [items[before]], len(items))}
    assert scores[items[after].id] > min(scores.values())


def test_the_example_is_measured_without_the_held_out_items(
    followed, small_catalog, fresh_settings
):
    served = load_retriever("followed", small_catalog, fresh_settings)
    data = training_data(small_catalog)
    (found,) = evaluated_models("followed", data, small_catalog, fresh_settings)
    measured = found.retriever
    history = [served.items[0]]
    assert measured.score([history]).sum() < served.score([history]).sum()
