from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from palr.catalog.catalog import Catalog
from palr.domains import MOVIES
from palr.llm.base import last
from palr.llm.scripted import ScriptedLLM
from palr.profile import (
    FREE_FROM,
    N_KEYWORDS,
    supported_keywords,
    unsupported_keywords,
    write_profile,
    written_freely,
)
from palr.types import Item
from tests.ranking.test_rank import TextOnly

FILMS = (
    Item("1", "Heat", year=1995, keywords=("action", "crime", "1990s")),
    Item("2", "Fargo", year=1996, keywords=("crime", "drama", "1990s")),
    Item("3", "Casino", year=1995, keywords=("crime", "drama", "1990s")),
    Item("4", "Babe", year=1995, keywords=("children's", "1990s")),
    Item("5", "Psycho", year=1960, keywords=("horror", "1960s")),
    Item("6", "Nameless"),
)
CATALOG = Catalog("ml-100k", MOVIES, FILMS)


def final(history, llm, catalog=CATALOG):
    profile = last(write_profile(history, catalog, llm))
    return profile


def test_support_names_the_picks_that_carry_a_keyword():
    support = supported_keywords(FILMS[:3], CATALOG)
    assert support == {
        "crime": ("1", "2", "3"),
        "drama": ("2", "3"),
        "action": ("1",),
        "1990s": ("1", "2", "3"),
    }


def test_keywords_are_ordered_by_support_and_rarity():
    # Of 6 films: crime 3 x ln(1 + 6/3) = 3.30, 1990s 3 x ln(1 + 6/4) = 2.75,
    # drama 2 x ln(1 + 6/2) = 2.77, action 1 x ln(1 + 6/1) = 1.95.
    assert list(supported_keywords(FILMS[:3], CATALOG)) == ["crime", "drama", "1990s", "action"]


def test_a_decade_needs_most_of_the_picks():
    assert "1960s" not in supported_keywords([FILMS[0], FILMS[4]], CATALOG)
    assert "1960s" in supported_keywords([FILMS[4]], CATALOG)


def test_the_model_chooses_the_keywords_and_the_sentences():
    reply = (
        "Keywords: drama, crime, action, 1990s\n"
        "Preference: This viewer enjoys drama, crime and action movies from the 1990s, "
        "above all Fargo (1996) and Heat (1995). "
        "The common thread is drama, shared by 2 of the 3 movies watched."
    )
    profile = final(FILMS[:3], ScriptedLLM(reply))
    assert [k.text for k in profile.keywords] == ["drama", "crime", "action", "1990s"]
    assert profile.raw == reply
    assert profile.text == reply.partition("Preference: ")[2]
    assert profile.keywords[0].support == ("2", "3")


@pytest.mark.parametrize("wrap", [lambda llm: llm, TextOnly], ids=["tokens", "text"])
@pytest.mark.parametrize("reply", ["", "Loves horror films of all sorts and ghosts. Crime too."])
def test_an_unsupported_keyword_never_appears(wrap, reply):
    profile = final(FILMS[:3], wrap(ScriptedLLM(reply)))
    support = supported_keywords(FILMS[:3], CATALOG)
    assert {k.text for k in profile.keywords} <= set(support)
    assert unsupported_keywords(profile.text, support, CATALOG) == []
    assert "horror" not in profile.text


def test_free_text_is_checked_and_repairs_are_reported():
    reply = (
        "Crime, drama. The user likes crime stories with a touch of drama. "
        "They are also very fond of horror and such."
    )
    profile = final(FILMS[:3], TextOnly(ScriptedLLM(reply)))
    assert profile.text == "The user likes crime stories with a touch of drama."
    assert [k.text for k in profile.keywords][:2] == ["crime", "drama"]
    assert "a sentence was removed: no pick supports horror" in profile.repairs


FREE = (
    "Crime and drama stories fill this list of films. The viewer also enjoys horror and ghosts. "
    "The newest picks are all from the 1990s."
)


class Large(ScriptedLLM):
    """A model of the size that writes a profile of its own."""

    parameters = FREE_FROM


@pytest.mark.parametrize(
    ("llm", "writing", "freely"),
    [
        (ScriptedLLM(), "auto", False),
        (ScriptedLLM(), "free", True),
        (Large(), "auto", True),
        (Large(), "grounded", False),
        (TextOnly(ScriptedLLM()), "grounded", True),  # it cannot be held to sentences
    ],
)
def test_who_writes_in_their_own_words(llm, writing, freely):
    assert written_freely(llm, writing) is freely


def test_a_free_profile_is_the_models_own_text_without_what_no_pick_supports():
    profile = last(write_profile(FILMS[:3], CATALOG, ScriptedLLM(FREE), freely=True))
    assert profile.raw == FREE
    assert profile.text == (
        "Crime and drama stories fill this list of films. The newest picks are all from the 1990s."
    )
    assert [k.text for k in profile.keywords] == ["crime", "drama", "1990s", "action"]
    assert "a sentence was removed: no pick supports horror" in profile.repairs


def test_a_free_profile_streams_sentence_by_sentence():
    steps = [p for p in write_profile(FILMS[:3], CATALOG, Large(FREE)) if p]
    texts = list(dict.fromkeys(step.text for step in steps))
    assert texts == [
        "",
        "Crime and drama stories fill this list of films.",
        "Crime and drama stories fill this list of films. The newest picks are all from the 1990s.",
    ]


def test_the_profile_streams_and_only_grows():
    profiles = [p for p in write_profile(FILMS[:3], CATALOG, ScriptedLLM("")) if p]
    assert len(profiles) >= 6
    for earlier, later in pairwise(profiles):
        assert later.raw.startswith(earlier.raw)
        assert later.keywords[: len(earlier.keywords)] == earlier.keywords


def test_picks_without_keywords_give_an_empty_profile_that_says_why():
    profile = final([FILMS[5]], ScriptedLLM(""))
    assert profile.keywords == ()
    assert profile.text == ""
    assert "no keywords" in profile.repairs[0]


@given(st.lists(st.sampled_from(FILMS), min_size=1, max_size=6, unique_by=lambda i: i.id))
@hypothesis_settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_model_writes_only_what_the_picks_support(tiny_llama, history):
    profile = final(history, tiny_llama)
    support = supported_keywords(history, CATALOG)
    assert len(profile.keywords) == min(N_KEYWORDS, len(support))
    assert all(k.support == support[k.text] for k in profile.keywords)
    assert unsupported_keywords(profile.text, support, CATALOG) == []
    if len(history) > 1 and support:
        assert profile.text.count(".") >= 1
