"""One run on the command line: a wish in every form, words alone, replays, and what is wrong."""

import json

import pytest
from click.testing import Result
from typer.testing import CliRunner

from palr.__main__ import app
from palr.catalog.catalog import CatalogStore
from palr.domains import get_domain
from palr.errors import PalrError, UnknownItemError
from palr.runs.files import read_trace
from palr.types import Recommendation

from ..hostile import WISHES

PICKS = ("--pick", "Pulp Fiction (1994)", "--pick", "Fargo (1996)")


@pytest.fixture
def invoke(settings):
    """A command in this process; the language model follows a script."""

    def run(*arguments: str) -> Result:
        environment = {"PALR_HOME": str(settings.home), "PALR_LLM_BACKEND": "scripted"}
        return CliRunner().invoke(app, arguments, env=environment)

    return run


@pytest.fixture
def trace(invoke):
    def run(*arguments: str) -> Recommendation:
        result = invoke("recommend", *arguments, "--json")
        assert result.exit_code == 0, result.output
        return read_trace(result.stdout).trace

    return run


def test_every_part_of_a_wish_has_its_option(trace):
    wished = trace(
        *PICKS,
        *("--wish", "more laughs", "--more", "western", "--more", "war", "--less", "drama"),
        *("--years", "1960-1996", "--seen", "Heat (1995)", "--liked", "Unforgiven (1992)"),
        *("--disliked", "Casino (1995)", "--strength", "0.7", "--profile-weight", "0.25"),
    )
    asked, titles = wished.asked, {c.item.label for c in wished.candidates}
    assert asked.wish.words == "more laughs"
    assert (asked.wish.more, asked.wish.less) == (("western", "war"), ("drama",))
    assert wished.wish.more == ("western", "war", "comedy")
    assert (asked.wish.strength, asked.profile_weight) == (0.7, 0.25)
    assert {shift.source for shift in wished.shifts} >= {"more", "less", "liked", "disliked"}
    assert not titles & {"Heat (1995)", "Casino (1995)"}
    assert all(1960 <= c.item.year <= 1996 for c in wished.candidates)


@pytest.mark.parametrize(("domain", "weight"), [("movies", 0.4), ("beauty", 0.15)])
def test_the_profile_weighs_as_on_the_page(trace, domain, weight):
    pick = {"movies": "Fargo (1996)", "beauty": "opi nail lacquer, big apple red"}[domain]
    found = trace("--domain", domain, "--pick", pick)
    assert found.asked.profile_weight == weight
    assert {shift.source for shift in found.shifts} == {"profile"}
    assert trace("--domain", domain, "--pick", pick, "--profile-weight", "0").shifts == ()


def test_words_alone_are_recommended_saved_and_replayed(invoke, tmp_path):
    words = ("recommend", "--wish", "funny cartoons from the nineties")
    told = invoke(*words)
    assert told.exit_code == 0, told.output
    for line in ("History (0)", "Wish (strength 0.5)", "  more: comedy, animation", "50 by popul"):
        assert line in told.stdout
    file = tmp_path / "run.json"
    file.write_text(invoke(*words, "--json").stdout)
    again = invoke("replay", str(file))
    assert again.exit_code == 0, again.output
    assert "wish: the same\n" in again.stdout
    assert again.stdout.splitlines()[-1] == "ranking: the same"


def test_a_steered_run_is_replayed(invoke, tmp_path):
    asked = (*PICKS, "--wish", "less drama, more laughs", "--liked", "Toy Story (1995)")
    file = tmp_path / "run.json"
    file.write_text(invoke("recommend", *asked, "--seen", "Heat (1995)", "--json").stdout)
    again = invoke("replay", str(file))
    assert again.exit_code == 0, again.output
    assert "differs" not in again.stdout
    content = json.loads(file.read_text())
    content["trace"]["asked"]["wish"]["words"] = "more drama, less laughs"
    file.write_text(json.dumps(content))
    other = invoke("replay", str(file))
    assert other.exit_code == 1
    assert "wish: differs\n  from character" in other.stdout


def test_a_run_says_what_steered_it(invoke):
    told = invoke("recommend", *PICKS, "--less", "drama", "--seen", "Heat (1995)").stdout
    assert "Wish (strength 0.5)\n  less: drama\n  seen: " in told
    assert "\n  less drama: " in told
    assert "\n  profile: crime: " in told


def test_reading_gives_the_four_parts(invoke):
    wish = "less drama, more laughs, nothing from before 1980, zorp"
    read = json.loads(invoke("read", wish, "--domain", "movies", "--json").stdout)
    parts = {name: read[name] for name in ("more", "less", "years", "unread")}
    assert parts == {
        "more": ["comedy"],
        "less": ["drama"],
        "years": [1980, 1998],
        "unread": ["zorp"],
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "pick at least one movie, or say what you would like"),
        (("--wish", "x" * 5001), "the wish has 5,001 characters: shorten it to 5,000"),
        (("--more", "western", "--strength", "1.5"), "the strength is 1.5: choose one from 0 to 1"),
        (("--more", "western", "--strength", "nan"), "the strength is nan: choose one from 0 to 1"),
        (("--profile-weight", "-1"), "the weight of the profile is -1: choose one from 0 to 1"),
        (("--more", "war", "--less", "war"), "war is wanted both more and less: take it off one"),
        (("--years", "1999-1990"), "the years run backwards, 1999 to 1990: put the earlier one"),
        (("--years", "1801-1802"), "no movie is left: widen the years"),
        (("--years", "nineties"), "'nineties' are no years: write 1990-1999, or 1994"),
        (("--seen", "Toy Stroy (1995)"), "did you mean Toy Story (1995)"),
        (("--more", ""), "a keyword has 1 to 60 characters: mend those to see more of"),
    ],
)
def test_what_cannot_be_followed_is_one_line(invoke, arguments, message):
    picks = PICKS if arguments else ()
    result = invoke("recommend", *picks, *arguments)
    assert isinstance(result.exception, PalrError), result.output
    assert str(result.exception).startswith(message) or message in str(result.exception)
    assert "\n" not in str(result.exception)


def test_every_title_that_names_nothing_is_said_at_once(invoke):
    titles = ("--pick", "Toy Stroy (1995)", "--seen", "zqx", "--disliked", "Sabrina")
    result = invoke("recommend", *PICKS, *titles)
    assert isinstance(result.exception, UnknownItemError)
    said = str(result.exception)
    assert said.startswith("no movie is called 'Toy Stroy (1995)'; did you mean Toy Story (1995)?")
    assert " No movie is called 'zqx'" in said
    assert said.endswith(" 'Sabrina' may be Sabrina (1995) or Sabrina (1954): write which")


def test_a_pick_goes_by_any_of_its_titles(trace):
    picks = ("Postino, Il (1994)", "Das Boot (1981)", "la haine")
    found = trace(*(word for pick in picks for word in ("--pick", pick)))
    assert [item.year for item in found.picks] == [1994, 1981, 1995]


@pytest.mark.parametrize(("words", "note"), WISHES)
def test_odd_words_are_noted_on_one_line(invoke, words, note):
    result = invoke("recommend", *PICKS, "--wish", words)
    assert result.exit_code == 0, result.output
    noted = [line for line in result.stdout.splitlines() if line.startswith("Note: ")]
    assert any(note in line for line in noted), noted


@pytest.mark.parametrize(
    ("arguments", "note"),
    [
        (("--more", "westerm"), "no keyword 'westerm'; the nearest is 'western'"),
        (("--years", "1922-1931"), "are left: widen the years for more"),
    ],
)
def test_what_is_followed_in_part_is_noted(invoke, arguments, note):
    result = invoke("recommend", *PICKS, *arguments)
    assert result.exit_code == 0, result.output
    assert note in result.stdout


def test_everything_seen_and_years_of_products(invoke, settings):
    catalog = CatalogStore(settings.catalog_url).active(get_domain("movies"))
    old = [item.label for item in catalog.items if item.year and item.year < 1932]
    seen = [word for label in old for word in ("--seen", label)]
    result = invoke("recommend", *PICKS, "--years", "1900-1931", *seen)
    message = "no movie is left: widen the years, or take some off those seen or disliked"
    assert str(result.exception) == message
    pick = ("--domain", "beauty", "--pick", "opi nail lacquer, big apple red")
    products = invoke("recommend", *pick, "--years", "1990-1999")
    assert products.exit_code == 0, products.output
    assert "Note: these products have no years, so the years asked for change" in products.stdout
