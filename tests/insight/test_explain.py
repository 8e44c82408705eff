"""Explanations are true, whatever the model likes to say."""

from palr.catalog.catalog import Catalog
from palr.domains import MOVIES
from palr.insight.explain import explain, sentences, shared_keywords
from palr.llm.scripted import ScriptedLLM
from palr.types import Item, RankedItem, Ranking, Recommendation
from tests.ranking.test_rank import TextOnly

from .conftest import last, visitors

HEAT = Item("1", "Heat", year=1995, keywords=("crime", "drama"))
BABE = Item("2", "Babe", year=1995, keywords=("comedy", "drama"))
FARGO = Item("3", "Fargo", year=1996, keywords=("crime", "drama", "snow"))
DUNE = Item("4", "Dune", keywords=("sand",))
CATALOG = Catalog("made-up", MOVIES, (HEAT, BABE, FARGO, DUNE))


def trace(*items, picks=(BABE, HEAT)):
    ranked = tuple(RankedItem(item, n, n) for n, item in enumerate(items, start=1))
    return Recommendation("movies", "made-up", picks, picks, ranking=Ranking(ranked))


def test_every_sentence_is_true():
    said = sentences(FARGO, [HEAT, BABE], ("crime", "drama"), MOVIES)
    assert "It shares crime and drama with Heat (1995)." in said
    assert "It shares drama with Heat (1995) and Babe (1995)." in said
    assert not any("crime" in s and "Babe" in s for s in said)


def test_the_rarest_shared_keyword_comes_first():
    assert shared_keywords(FARGO, [HEAT, BABE], CATALOG) == ("crime", "drama")


def test_the_model_chooses_the_sentence():
    llm = ScriptedLLM("What ties it to Heat (1995) is crime.")
    (found,) = last(explain(trace(FARGO), CATALOG, llm))
    assert found.text == "What ties it to Heat (1995) is crime."
    assert found.generated


def test_nothing_shared_is_nothing_said():
    (found,) = last(explain(trace(DUNE), CATALOG, ScriptedLLM("Sand!")))
    assert (found.text, found.generated, found.keywords) == ("", False, ())


def test_the_picks_that_matter_are_named_first():
    llm = ScriptedLLM("It shares drama with")
    (found,) = last(explain(trace(FARGO), CATALOG, llm, {"3": [BABE]}))
    assert found.text == "It shares drama with Babe (1995) and Heat (1995)."


def test_a_free_sentence_is_kept_only_where_the_picks_support_it():
    def said(reply):
        (found,) = last(explain(trace(FARGO), CATALOG, TextOnly(ScriptedLLM(reply))))
        return found

    kept = said("Another crime story for you. And more.")
    assert (kept.text, kept.generated) == ("Another crime story for you.", True)
    for reply, why in (
        ("A comedy of crime.", "comedy"),
        ("You will simply love it.", "no shared keyword"),
        ("", "no shared keyword"),
    ):
        dropped = said(reply)
        assert not dropped.generated
        assert why in dropped.note
        assert dropped.text == "It shares crime and drama with Heat (1995)."


def test_random_visitors_are_told_only_what_is_so(tiny_llama, run, catalog):
    for picks in visitors(catalog, 3, seed=8):
        done = run(tiny_llama, picks)
        for found in last(explain(done, catalog, tiny_llama)):
            carried = {k for pick in picks for k in pick.keywords}
            assert set(found.keywords) <= carried & set(found.item.keywords)
            assert bool(found.text) == bool(found.keywords)
            named = [pick for pick in picks if pick.label in found.text]
            told = [k for k in found.item.keywords if f"{k}" in found.text]
            assert all(set(told) <= set(pick.keywords) for pick in named)
