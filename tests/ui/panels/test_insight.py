"""What visitors read of a measurement, without a browser or a model."""

import re

from palr.catalog.own_items import PREFIX
from palr.insight.explain import Explanation
from palr.insight.floor import Floor
from palr.insight.influence import Influence
from palr.insight.stability import Stability
from palr.insight.whynot import Lift, WhyNot
from palr.types import Item
from palr.ui import render
from palr.ui.panels import own, plots, sure, why, whynot
from palr.ui.plots import Dot, columns, heat_map, histogram, scatter

from ..test_render import EVIL, HOSTILE, TOY_STORY, full_trace

HEAT = Item("6", "Heat", year=1995)


def clean(page: str) -> str:
    """The page, in which nothing hostile may be markup."""
    assert "<script>" not in page
    assert "<b>" not in page
    assert "<u>" not in page
    return page


def test_the_sentences_come_first_and_every_number_is_in_the_table() -> None:
    found = Influence((TOY_STORY, EVIL), (HEAT, EVIL), "labels", ((0.5, -0.2), (0.1, -0.1)), None)
    line = Explanation(EVIL, f"It shares {HOSTILE}.", ("<b>",), generated=False, note=HOSTILE)
    page = clean(
        why.shown_influence(found, [Explanation(HEAT, "It shares crime.", ("crime",)), line])
    )
    assert "Mostly because of <cite>Toy Story" in page
    assert "No single pick brought it in" in page
    assert page.count(">Generated<") == 1
    assert page.count(">Not generated<") == 1
    cells = re.findall(r"%, transparent\)\">([^<]*)</td>", page)
    assert cells == ["+0.50", "\u22120.20", "+0.10", "\u22120.10"]
    assert page.index("Mostly") < page.index("<table")


def test_what_could_not_be_measured_is_said() -> None:
    found = Influence((TOY_STORY, EVIL), (HEAT,), "labels", None, ((1.0,), (2.0,)), (HOSTILE,))
    page = clean(why.shown_influence(found))
    assert 'class="gap"' in page
    assert "Language model" not in page


def test_stability_tells_shares_and_bias_in_words_too() -> None:
    found = Stability(
        4, 20, ((HEAT, 0.75), (EVIL, 0.0)), ((TOY_STORY, 0.5),), (0.6, 0.2), 0.1, 0.4, -0.5
    )
    page = clean(sure.shown_stability(found))
    assert "3 of 4" in page
    assert "0 of 4" in page
    assert "<strong>38%</strong>" in page  # the mean of 75 and 0
    assert "2 of 4" in page
    assert "\u22120.50" in page
    assert "60%, 20%" in page


def test_why_not_tells_each_step() -> None:
    trace = full_trace()
    found = WhyNot(
        *(HEAT, False, 173, 3410, 50, False, None, ("<u>crime</u>",), "labels"),
        *(-0.5, 0.25, 31),
        (Lift(EVIL, 2, 4), Lift(TOY_STORY, 60), Lift(TOY_STORY, 200), Lift(TOY_STORY, 7)),
    )
    page = clean(whynot.explained(found, trace))
    assert "<strong>173</strong> of 3,410" in page
    assert "not among the 50 candidates" in page
    assert "place <strong>31</strong>" in page
    assert "0.75 more would reach" in page
    assert "<strong>place 4</strong>" in page
    assert "still below the candidates" in page
    assert "does not help" in page
    assert "still leaves it out" in page
    picked = WhyNot(HEAT, True, None, 10, 5, False, None, (), "labels")
    assert "one of the picks" in whynot.explained(picked, trace)


def test_what_a_visitor_brought_is_escaped_and_marked() -> None:
    mine = Item(f"{PREFIX}1", HOSTILE, year=2031, keywords=("<b>bold</b>",))
    page = clean(own.brought([mine]))
    assert '<span class="mark">yours</span>' in page
    assert 'class="mark">yours' in clean(render.title(mine))
    assert 'class="mark"' not in render.title(HEAT)


def test_plots_escape_their_labels_and_stay_light() -> None:
    dots = [Dot(0.1, 0.2, "pick", HOSTILE), Dot(0.3, 0.4, "recommended", "Heat", "1")]
    page = clean(scatter([(n / 2000, 0.5) for n in range(2000)], dots, HOSTILE))
    assert page.count("<path") == 2  # the whole background is one
    assert len(page) < 40_000
    assert page.count('role="img"') == 1
    assert "h0" in page
    clean(heat_map(HOSTILE, ["row"], [("1", HOSTILE)], [[0.0]]))
    assert columns([0.0, 0.0], "nothing", ("a", "b"), 0.0)
    assert histogram([1.0, 1.0], [(1.0, "candidate")], "equal")


def test_the_floor_stands_under_the_times() -> None:
    page = plots.stage_times(full_trace(), Floor(2.0, 0.1, 5))
    assert "Floor of the ranking" in page
    assert "2.5 s" in page
    assert "and 5 of one token" in page
    assert "Behind HTTP &lt;x&gt;." in plots.stage_times(full_trace(), None, "behind HTTP <x>")
