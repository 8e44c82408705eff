"""What goes into instruction data, and what must never."""

import json
from dataclasses import replace

import numpy as np
import pytest

from finetune.configs import RECIPES, Recipe, named, with_changes
from finetune.data.build import Material, build, chosen_users, cuts, folder, paper_examples
from finetune.data.dataset import EXAMPLES, read_examples, read_manifest
from finetune.data.drawn_lists import drawn, held_back, prefix_retriever, truncated
from finetune.data.tasks import Example
from palr.catalog.catalog import Catalog
from palr.data.datasets import DATASETS, read
from palr.data.interactions import LeaveOneOut
from palr.domains import DOMAINS
from palr.errors import DataError, PalrError
from palr.retrieval import sasrec
from palr.retrieval.splits import TrainingData, training_data
from palr.settings import Settings


def examples_of(catalog, settings, name):
    return read_examples(
        folder(settings, catalog.dataset, name) / EXAMPLES, {item.id for item in catalog.items}
    )


def assert_nothing_is_held_out(examples: list[Example], data: TrainingData) -> None:
    ids, split = data.item_ids, data.split
    assert examples
    for example in examples:
        user = example.user
        hidden = {ids[split.validation_targets[user]], ids[split.test_targets[user]]}
        assert not hidden & example.items


def test_both_tasks_are_built_from_the_chosen_users(films, own_settings, small_recipe):
    manifest = build(films, own_settings, "v2", small_recipe)
    examples = examples_of(films, own_settings, "v2")
    data = training_data(films)
    assert manifest.counts == {"Recommend": 40, "Recommend_Retrieval": 40}
    assert {e.user for e in examples} == set(chosen_users(data, 0.5, 0))
    assert len(chosen_users(data, 0.5, 0)) == 20
    assert chosen_users(data, 0.5, 0) != chosen_users(data, 0.5, 1)
    for example in examples:
        assert 1 <= len(example.answer) <= 10
        assert len(example.history) <= 20
        if example.task == "Recommend_Retrieval":
            assert len(example.candidates) == 12
            assert set(example.answer) <= set(example.candidates)
    assert_nothing_is_held_out(examples, data)
    assert read_manifest(folder(own_settings, "ml-100k", "v2")) == manifest


def test_v1_knows_one_task_only(films, own_settings):
    manifest = build(films, own_settings, "v1", RECIPES["palr-v1"])
    assert set(manifest.counts) == {"Recommend"}


def test_the_same_seed_builds_the_same_file(films, own_settings, small_recipe):
    first = build(films, own_settings, "a", small_recipe)
    assert build(films, own_settings, "b", small_recipe).sha256 == first.sha256
    other = replace(small_recipe, seed=1)
    assert build(films, own_settings, "c", other).sha256 != first.sha256


@pytest.mark.parametrize(("share", "fewest", "most"), [(0.0, 0, 0), (0.5, 20, 60), (1.0, 80, 80)])
def test_profiles_are_in_as_many_prompts_as_asked(
    films, own_settings, small_recipe, share, fewest, most
):
    recipe = replace(small_recipe, profile_share=share)
    build(films, own_settings, "v2", recipe)
    examples = examples_of(films, own_settings, "v2")
    assert fewest <= sum(bool(e.keywords) for e in examples) <= most
    build(films, own_settings, "none", replace(recipe, profile="none"))
    assert not any(e.keywords for e in examples_of(films, own_settings, "none"))


def test_a_profile_can_be_the_models(films, own_settings, small_recipe, tiny_llama):
    recipe = replace(small_recipe, profile="llm", profile_share=1.0, user_share=0.05)
    build(films, own_settings, "v2", recipe, lambda: tiny_llama)
    assert all(e.text.startswith("This viewer") for e in examples_of(films, own_settings, "v2"))


def test_short_lists_are_enriched_from_three_hops(films, small_recipe):
    material = Material(films, training_data(films))
    user = min(range(40), key=lambda user: len(material.split.train[user]))
    own = {material.ids[item] for item in material.split.train[user]}
    assert len(own) < 10

    def shown(enrich_below: int) -> set[str]:
        recipe = replace(small_recipe, enrich_below=enrich_below, per_user=9, swap=0.0)
        found = cuts(material, user, recipe, np.random.default_rng(0))
        return {item for cut in found for item in cut.history}

    assert shown(0) <= own
    assert shown(10) - own


def test_no_held_out_item_enters_synthetic_data(films, own_settings, small_recipe):
    data = training_data(films)
    recipe = replace(small_recipe, user_share=1.0, per_user=20, enrich_below=20, swap=0.5)
    assert_nothing_is_held_out([*paper_examples(Material(films, data), range(40), recipe)], data)
    drawing = replace(recipe, negatives="retriever", tasks=("Recommend_Retrieval",), candidates=25)
    build(films, own_settings, "drawn", drawing)
    assert_nothing_is_held_out(examples_of(films, own_settings, "drawn"), data)


@pytest.mark.long
@pytest.mark.parametrize("key", ["ml-1m", "beauty"])
def test_no_held_out_item_enters_real_data(key, official_data, tmp_path):
    settings = Settings(home=tmp_path, data=official_data)
    raw = read(key, None, settings)
    catalog = Catalog(key, DOMAINS[DATASETS[key].domain], raw.items, lambda: raw.interactions)
    data = training_data(catalog)
    users = chosen_users(data, 0.02, 0)
    material = Material(catalog, data)
    assert_nothing_is_held_out([*paper_examples(material, users, Recipe())], data)
    # What a retriever has learnt changes which items it draws, and nothing else: an untrained one
    # puts held-out items forward as readily as any.
    model = sasrec.build(len(data.item_ids), {}).eval()
    recipe = Recipe(negatives="retriever", candidates=500, held_back=3, earlier=2, complete=True)
    assert_nothing_is_held_out([*drawn(model, data.split, users, recipe)], data)
    rest = truncated(data.split, users, 3)
    for user in users:
        n = held_back(data.split.train[user], 3)
        learnt = [*rest.train[user], rest.validation_targets[user]]
        assert learnt == [*data.split.train[user][: len(data.split.train[user]) - n]]


def split_of(*train: list[int]) -> LeaveOneOut:
    ends = np.full(len(train), 8)
    return LeaveOneOut(
        [np.array(t) for t in train], ends, ends + 1, tuple(str(at) for at in range(10))
    )


def test_the_retriever_learns_nothing_of_the_targets():
    split = split_of([0, 1, 2, 3, 4], [5, 6, 7], [4, 5])
    rest = truncated(split, users=[0, 2], n=2)
    assert [t.tolist() for t in rest.train] == [[0, 1], [5, 6], [4]]
    assert rest.validation_targets.tolist() == [2, 7, 5]
    assert [held_back(t, 2) for t in split.train] == [2, 1, 0]


class OneOrder:
    """Scores items by their index, the higher the better, whatever the history."""

    def score(self, histories):
        return np.tile(np.arange(10, dtype=np.float32), (len(histories), 1))


def test_drawn_lists_are_the_retrievers_own():
    split = split_of([0, 7, 5, 1, 6])  # 8 and 9 are held out
    recipe = Recipe(held_back=3, candidates=4, window=2)
    found = list(drawn(OneOrder(), split, [0], recipe))
    # Of 5, 1 and 6 the second is not among the top four.
    assert [(e.history, e.answer, e.candidates) for e in found] == [
        (("0", "7"), ("5",), ("6", "5", "4", "3")),
        (("0", "7", "5", "1"), ("6",), ("6", "4", "3", "2")),
    ]
    assert found[0].scores == (6.0, 5.0, 4.0, 3.0)
    both = list(drawn(OneOrder(), split, [0], replace(recipe, window=3)))
    assert both[0].answer == ("5", "6")


def test_completed_lists_hold_the_targets_that_were_not_drawn():
    split = split_of([0, 7, 5, 1, 6])  # 8 and 9 are held out
    recipe = Recipe(held_back=3, candidates=4, complete=True)
    found = list(drawn(OneOrder(), split, [0], recipe))
    assert [(e.answer, e.candidates, e.retrieved) for e in found] == [
        (("5",), ("6", "5", "4", "3"), True),
        (("1",), ("6", "4", "3", "1"), False),  # in the place of 2
        (("6",), ("6", "4", "3", "2"), True),
    ]
    assert found[1].scores == (6.0, 4.0, 3.0, 1.0)


def test_earlier_lists_are_of_targets_that_the_retriever_learnt():
    split = split_of([0, 7, 6, 1, 5])  # 8 and 9 are held out
    recipe = Recipe(held_back=1, earlier=2, candidates=4, complete=True)
    found = list(drawn(OneOrder(), split, [0], recipe))
    assert [(e.history, e.answer, e.retrieved) for e in found] == [
        (("0", "7"), ("6",), False),
        (("0", "7", "6"), ("1",), False),
        (("0", "7", "6", "1"), ("5",), True),
    ]
    everything = replace(recipe, earlier=100)
    assert next(drawn(OneOrder(), split, [0], everything)).history == ("0",)


def test_earlier_lists_need_a_teacher(films, own_settings, small_recipe):
    recipe = replace(small_recipe, negatives="retriever", tasks=("Recommend_Retrieval",), earlier=1)
    with pytest.raises(PalrError, match="teacher=true, or earlier=0"):
        build(films, own_settings, "earlier", recipe)


def test_a_trained_retriever_is_kept(films, own_settings, small_recipe):
    data = training_data(films)
    first = prefix_retriever(data, [1, 2, 3], small_recipe, own_settings, quiet=True)
    (stored,) = (own_settings.home / "finetune" / "ml-100k").glob("*.safetensors")
    written = stored.stat().st_mtime_ns
    again = prefix_retriever(data, [1, 2, 3], small_recipe, own_settings, quiet=True)
    assert stored.stat().st_mtime_ns == written
    history = [data.split.train[0]]
    assert (first.score(history) == again.score(history)).all()


def test_nothing_left_names_what_to_raise(films, own_settings, small_recipe):
    with pytest.raises(DataError, match="raise user_share"):
        build(films, own_settings, "none", replace(small_recipe, user_share=0.0))


def test_settings_are_checked():
    recipe = with_changes(Recipe(), ["user_share=0.5", 'tasks=["Recommend"]', "profile=none"])
    assert recipe == Recipe(user_share=0.5, tasks=("Recommend",), profile="none")
    with pytest.raises(PalrError, match="no setting"):
        with_changes(Recipe(), ["users=3"])
    with pytest.raises(PalrError, match="negatives"):
        with_changes(Recipe(), ["negatives=all"])
    with pytest.raises(PalrError, match="choose one of"):
        named(RECIPES, "palr-v3")


def write(folder_, lines):
    folder_.mkdir(parents=True, exist_ok=True)
    path = folder_ / EXAMPLES
    path.write_text("\n".join(lines) + "\n")
    return path


GOOD = {"task": "Recommend_Retrieval", "user": 1, "history": ["1"], "answer": ["2"]}
GOOD |= {"candidates": ["2", "3"]}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{not json", "JSON"),
        (json.dumps(GOOD | {"task": "Rank"}), "task"),
        (json.dumps(GOOD | {"history": []}), "needs a history"),
        (json.dumps(GOOD | {"answer": ["9"]}), "no item '9'"),
        (json.dumps(GOOD | {"candidates": ["3"]}), "do not hold the whole answer"),
        (json.dumps(GOOD | {"candidates": ["2", "2"]}), "listed twice"),
        (json.dumps(GOOD | {"scores": [1.0]}), "one score for each"),
        (json.dumps(GOOD | {"soft": [1.0]}), "one score for each"),
        (json.dumps(GOOD | {"task": "Recommend"}), "has no candidates"),
        ("", "JSON"),
    ],
)
def test_a_broken_line_is_named(tmp_path, line, fault):
    path = write(tmp_path, [json.dumps(GOOD), line])
    with pytest.raises(DataError, match="line 2") as caught:
        read_examples(path, {"1", "2", "3"})
    assert fault in str(caught.value)


def test_a_missing_or_empty_file_names_the_remedy(tmp_path):
    with pytest.raises(DataError, match="finetune build"):
        read_examples(tmp_path / EXAMPLES, set())
    (tmp_path / EXAMPLES).write_text("")
    with pytest.raises(DataError, match="no example"):
        read_examples(tmp_path / EXAMPLES, set())
    with pytest.raises(DataError, match="finetune build"):
        read_manifest(tmp_path)
