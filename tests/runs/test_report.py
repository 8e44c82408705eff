"""The report of a steered run against a file that was read by a person."""

from dataclasses import replace
from pathlib import Path

from palr.runs.files import Origin, SavedTrace
from palr.runs.report import markdown
from palr.types import (
    Asked,
    Candidate,
    Edits,
    Item,
    Keyword,
    Profile,
    RankedItem,
    Ranking,
    Recommendation,
    Shift,
    Wish,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "steered-report.txt"
HEAT = Item("6", "Heat", 1995, keywords=("crime", "drama"))
FARGO = Item("100", "Fargo", 1996, keywords=("crime", "comedy"))
BABE = Item("8", "Babe", 1995, keywords=("comedy",))


def steered() -> Recommendation:
    """A run by hand: words, choices, and a profile with a keyword and a sentence more."""
    wish = Wish(
        words="less drama, more laughs",
        years=(1990, 1999),
        seen=("50",),
        liked=("100",),
        strength=0.5,
    )
    told = "This viewer enjoys crime movies. No war, please."
    edits = Edits(told, ("crime", "heist"))
    return Recommendation(
        *("movies", "ml-100k", (HEAT,), (HEAT,)),
        profile=Profile(
            (Keyword("crime", ("6",)), Keyword("heist", ())),
            told,
            raw="Keywords: crime\nPreference: This viewer enjoys crime movies.",
        ),
        retriever="sasrec",
        candidates=(Candidate(FARGO, 1, -2.5, 1.25), Candidate(BABE, 2, -3.0, 1.25)),
        llm="scripted",
        ranking=Ranking((RankedItem(BABE, 1, 2), RankedItem(FARGO, 2, 1))),
        run_id="run",
        asked=Asked(edits=edits, wish=wish, profile_weight=0.4),
        wish=replace(wish, more=("comedy", "heist"), less=("drama", "war")),
        shifts=(
            Shift("more", "comedy", 0.25, 0.8125, 2.5649),
            Shift("less", "drama", 0.5, 0.125, -1.9459),
            Shift("liked", "100", 0.01, 0.2575, 3.5361),
            Shift("profile", "crime", 0.5, 0.7, 0.8473),
        ),
    )


def test_the_report_of_a_steered_run_is_the_golden_one():
    assert markdown(SavedTrace(Origin("1", "abc"), steered())) == GOLDEN.read_text()


def test_words_alone_and_words_that_say_nothing_are_told_as_they_are():
    run = replace(steered(), picks=(), history=(), asked=Asked(wish=Wish(words="zorp")))
    text = markdown(SavedTrace(Origin("1", "abc"), replace(run, wish=Wish(words="zorp"))))
    assert "## Picks, oldest first\n\nNone.\n" in text
    assert "| Words | zorp |" in text
    assert "Nothing more was read from the words." in text
    assert "Edits of the profile" not in text


def test_a_wish_written_into_the_profile_is_told():
    run = replace(steered(), asked=Asked(edits=Edits("No war, please.")), wish=Wish(less=("war",)))
    text = markdown(SavedTrace(Origin("1", "abc"), run))
    assert "## Wish\n\n| Read as |  |\n| --- | --- |\n| Less | war |\n" in text


def test_a_sentence_that_was_taken_out_is_told():
    asked = Asked(edits=Edits("This viewer enjoys crime movies."))
    run = replace(
        steered(), asked=asked, profile=replace(steered().profile, text=asked.edits.profile)
    )
    assert "- Sentences of the model's were taken out by the visitor" in markdown(
        SavedTrace(Origin("1", "abc"), run)
    )
