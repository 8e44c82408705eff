"""Words that ask for something else than the history says, and what they are worth."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from finetune.configs import RECIPES
from finetune.data.build import build, folder
from finetune.data.counterfactual import changed, counterfactuals, drawn_wish, wishes
from finetune.data.dataset import EXAMPLES, read_examples
from finetune.data.render import render
from finetune.data.tasks import Example
from palr.errors import PalrError
from palr.types import Wish

# Film i of the fixture has the keyword i % 6: Animation, Comedy, Crime, Drama, Horror, Romance.
LISTED = ("0", "1", "2", "3", "4", "5", "7")


@pytest.fixture
def example() -> Example:
    return Example(
        "Recommend_Retrieval",
        0,
        history=("2", "8"),  # crime alone
        answer=("3",),
        candidates=LISTED,
        scores=tuple(-float(at) for at in range(len(LISTED))),
        soft=(0.5,) * len(LISTED),
        keywords=("Crime",),
    )


def asked(before: Example, after: Example, worth: float) -> list[float]:
    return [round((b - a) / worth, 3) for a, b in zip(before.soft, after.soft, strict=True)]


def test_a_wish_is_worth_one_where_it_is_carried_and_minus_one_where_it_is_not_wanted(
    films, example
):
    wished = replace(example, more=("Comedy",), less=("Horror",))
    rng = np.random.default_rng(0)
    found = changed(wished, "steered", films, 2.0, rng)
    assert asked(wished, found, 2.0) == [0, 1, 0, 0, -1, 0, 1]  # films 1 and 7 are comedies
    assert (found.more, found.less, found.keywords) == (("Comedy",), ("Horror",), ("Crime",))


def test_another_profile_is_worth_what_it_adds_to_the_historys_own(films, example):
    for seed in range(20):
        found = changed(example, "profile", films, 1.0, np.random.default_rng(seed))
        assert (found.more, found.less, found.text) == ((), (), "")
        assert 1 <= len(found.keywords) <= 5
        assert set(found.keywords) != {"Crime"}
        size = len(found.keywords) ** 0.5
        for listed, value in zip(LISTED, asked(example, found, 1.0), strict=True):
            (keyword,) = films.item(listed).keywords
            expected = (keyword in found.keywords) / size - (keyword == "Crime")
            assert value == pytest.approx(expected, abs=1e-3)


def test_a_wish_of_a_list_asks_for_what_tells_its_candidates_apart(films, example):
    few = replace(
        example, candidates=("1", "7", "3"), scores=(0.0,) * 3, soft=(0.0,) * 3, answer=("3",)
    )
    for seed in range(20):
        found = changed(few, "wish", films, 1.0, np.random.default_rng(seed))
        assert {*found.more, *found.less} <= {"Comedy", "Drama"}
        assert len({*found.more}) + len({*found.less}) >= 1
        assert not {*found.more} & {*found.less}


def test_a_list_of_one_kind_stays_as_it_is(films, example):
    same = replace(example, candidates=("1", "7"), scores=(0.0,) * 2, soft=(0.0,) * 2)
    same = replace(same, answer=("1",))
    assert changed(same, "wish", films, 1.0, np.random.default_rng(0)) == same


def test_the_share_is_kept_and_the_rest_is_untouched(films, example):
    rng = np.random.default_rng(0)
    asked_for = wishes(films, 0.6, rng)
    made = []
    for _ in range(1500):
        wish = next(asked_for)
        made.append(replace(example, more=wish.more, less=wish.less) if wish else example)
    found = list(counterfactuals(made, films, 0.6, 2.0, rng))
    kinds = Counter(
        "steered"
        if was.more or was.less
        else "wish"
        if is_.more or is_.less
        else "profile"
        if is_ != was
        else "none"
        for was, is_ in zip(made, found, strict=True)
    )
    for kind, share in {"steered": 0.2, "wish": 0.2, "profile": 0.2, "none": 0.4}.items():
        assert kinds[kind] / len(made) == pytest.approx(share, abs=0.04)


def test_a_drawn_wish_names_keywords_of_the_catalog(films):
    rng = np.random.default_rng(1)
    drawn = [drawn_wish(films, rng) for _ in range(50)]
    assert all({*wish.more, *wish.less} <= set(films.keyword_counts) for wish in drawn)
    assert all(0.2 <= wish.strength <= 0.8 for wish in drawn)
    assert any(wish.less for wish in drawn)
    assert any(not wish.more for wish in drawn)


def test_the_prompt_shows_the_wish_as_serving_does(films, example, tiny_llama):
    wished = replace(example, more=("Comedy",), less=("Horror",), text="No Horror, please.")
    shown = tiny_llama.tokenizer.decode(render(wished, films, tiny_llama, "relevance").prompt)
    assert (
        "User's preference: Crime. No Horror, please. User asks for more Comedy and less Horror."
    ) in shown


def test_the_recipe_draws_steered_lists_and_never_what_is_held_out(films, ready_home):
    recipe = replace(
        RECIPES["palr-v2-steered"],
        user_share=0.5,
        candidates=8,
        held_back=2,
        earlier=5,
        retriever_epochs=2,
    )
    build(films, ready_home, "steered", recipe)
    path = folder(ready_home, films.dataset, "steered") / EXAMPLES
    examples = read_examples(path, {item.id for item in films.items})
    steered = [e for e in examples if e.more or e.less]
    assert steered
    assert any(not (e.more or e.less or e.keywords) for e in examples)

    def share(example: Example) -> float:
        carried = [set(films.item(i).keywords) & set(example.more) for i in example.candidates]
        return float(np.mean([bool(found) for found in carried]))

    wanted = [share(e) for e in steered if e.more]
    assert np.mean(wanted) > 1 / 3  # a keyword is carried by one film in six

    bare = replace(recipe, teacher=False, earlier=0)
    with pytest.raises(PalrError, match="counterfactual=0"):
        build(films, ready_home, "bare", bare)


def test_no_wish_is_drawn_where_none_is_asked_for(films):
    rng = np.random.default_rng(0)
    asked_for = wishes(films, 0.0, rng)
    assert [next(asked_for) for _ in range(20)] == [None] * 20
    assert not Wish()
