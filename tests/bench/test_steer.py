"""Steering, measured on a few users: the figures are there, and point the right way."""

import pytest

from palr.app.runtime import Runtime
from palr.bench.probes import described
from palr.bench.steer import bench_steer, sampled_users
from palr.types import Item, Wish


@pytest.fixture(scope="module")
def runtime(settings):
    return Runtime(settings.model_copy(update={"llm_backend": "scripted"}))


def test_what_is_asked_for_comes(runtime):
    seen = []
    report = bench_steer(runtime, "movies", 6, 1, lambda *said: seen.append(said))
    found = report["retriever_order"]
    assert report["dataset"] == "ml-100k"
    assert found["users"] == 6
    assert report["llm_order"]["users"] == 1
    assert found["ask_before"] < 0.5 <= found["ask_0.5"] <= found["ask_1"]
    assert found["no_before"] > found["no_0.5"] >= found["no_1"] == 0
    assert found["years_broken"] == 0
    assert found["profile_share_0"] <= found["profile_share_0.6"]
    assert report["steering_ms"] < 1000
    assert found["seen_broken"] == 0
    assert found["swap_up_after"] > found["swap_up_before"]
    assert found["swap_down_after"] < found["swap_down_before"]
    assert found["sentence_hr"] >= found["hr"]
    assert "ask_own" not in found  # the retriever reads no prompt
    assert [said[1:3] for said in seen] == [(n, 6) for n in range(1, 7)]


def test_a_catalog_without_users_is_asked_by_its_items(runtime):
    catalog = runtime.catalog("beauty")
    users = sampled_users(catalog, 5)
    assert [len(user.history) for user in users] == [1] * 5
    found = bench_steer(runtime, "beauty", 5, 0)["retriever_order"]
    assert found["ask_0.5"] > found["ask_before"]
    assert "hr" not in found  # nobody knows what was chosen next


def test_the_models_own_part_is_told_apart(runtime):
    found = bench_steer(runtime, "movies", 3, 2)["llm_order"]
    assert found["users"] == 2
    assert {"ask_own", "no_own"} <= set(found)


def test_each_visitors_theme_is_a_keyword_of_the_catalog(runtime):
    for domain in ("movies", "beauty"):
        catalog = runtime.catalog(domain)
        for persona in catalog.domain.personas:
            assert persona.theme
            assert set(persona.theme) <= set(catalog.keyword_counts)


def test_the_visitors_themes_are_measured_with_and_without_the_profile(runtime):
    found = bench_steer(runtime, "movies", 1, 1)["visitors"]
    assert list(found) == [persona.name for persona in runtime.catalog("movies").domain.personas]
    for shares in found.values():
        assert set(shares) == {"retriever_0", "llm_0", "retriever_0.4", "llm_0.4"}
    mean = {k: sum(shares[k] for shares in found.values()) / len(found) for k in shares}
    assert mean["retriever_0.4"] > mean["retriever_0"]


def test_users_are_a_fixed_sample_with_their_held_out_item(runtime):
    catalog = runtime.catalog("movies")
    users = sampled_users(catalog, 5)
    assert users == sampled_users(catalog, 9)[:5]
    assert all(user.target not in user.history for user in users)


def test_a_sentence_tells_keywords_and_decade(runtime):
    item = Item("1", "A", year=1994, keywords=("crime", "1990s", "war"))
    assert described(item) == Wish(more=("crime", "war"), years=(1990, 1999))
    assert described(Item("2", "B", keywords=("gel",))) == Wish(more=("gel",))
    common = runtime.catalog("movies").common_keywords(20)
    assert common[:2] == ("drama", "comedy")
    assert not any(keyword.endswith("0s") for keyword in common)
