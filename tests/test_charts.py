import xml.etree.ElementTree as ET

import pytest

from tests.charts import FIRST, SECOND, Row, bar_chart

SVG = "{http://www.w3.org/2000/svg}"
PANELS = {
    "One": [Row("a", 0.1, None), Row("b <", 0.4, 0.2)],
    "Two": [Row("a", None, None), Row("b <", 0.02, 0.04)],
}


def bars(colour: str) -> list[float]:
    tree = ET.fromstring(bar_chart("heading", PANELS, ("here", "paper (Table 2)")))
    return [float(r.get("width")) for r in tree.iter(f"{SVG}rect") if r.get("fill") == colour][:-1]


def test_each_panel_draws_its_figures_on_a_scale_of_its_own():
    ours, papers = bars(FIRST), bars(SECOND)
    longest = max(ours)
    assert [width / longest for width in ours] == pytest.approx([0.25, 1, 0.5], abs=0.01)
    assert [width / longest for width in papers] == pytest.approx([0.5, 1], abs=0.01)


def test_what_was_not_measured_is_left_out_and_nothing_leaves_the_frame():
    tree = ET.fromstring(bar_chart("heading", PANELS, ("here", "paper (Table 2)")))
    words = [found.text for found in tree.iter(f"{SVG}text")]
    assert {"b <", "0.1000", "0.0400", "here", "paper (Table 2)"} <= set(words)
    assert len([word for word in words if word.startswith("0.")]) == 5
    _, _, width, height = map(float, tree.get("viewBox").split())
    for found in tree.iter(f"{SVG}rect"):
        assert float(found.get("x", 0)) + float(found.get("width")) <= width
        assert float(found.get("y", 0)) + float(found.get("height")) <= height
