import xml.etree.ElementTree as ET

import pytest

from palr.bench.picture import picture

REPORT = {
    "p50_s": {"free": 6.0, "titles": 1.5, "new <way>": 1.0},
    "prefill_s": {"free": 1.0, "titles": 0.5, "new <way>": 1.0},
    "decode_s": {"free": 5.0, "titles": 1.0, "new <way>": 0.0},
    "floor_s": 1.2,
    "prompts": 12,
    "machine": {"model": "m", "dtype": "bfloat16", "device": "cpu", "threads": "2"},
}
ROW = {"history": 20, "candidates": 100, "decisions": 18.2, "prefill_s": 2.0, "decode_s": 1.0}
SVG = "{http://www.w3.org/2000/svg}"


def widths(report, colour):
    tree = ET.fromstring(picture(report))
    return [float(r.get("width")) for r in tree.iter(f"{SVG}rect") if r.get("fill") == colour][:-1]


def test_bars_are_as_long_as_their_seconds():
    prefill, decode = widths(REPORT, "#9db4c0"), widths(REPORT, "#c2542d")
    assert [p / prefill[0] for p in prefill] == pytest.approx([1, 0.5, 1], abs=0.01)
    assert [d / prefill[0] for d in decode] == pytest.approx([5, 1, 0], abs=0.01)


def test_growth_has_a_chart_of_its_own():
    drawn = picture({**REPORT, "growth": [ROW]})
    assert "100 candidates, 20 picks, 18 decisions" in drawn
    assert len(widths({**REPORT, "growth": [ROW]}, "#9db4c0")) == 4
    assert "100 candidates" not in picture(REPORT)


def test_names_are_escaped_and_nothing_leaves_the_frame():
    tree = ET.fromstring(picture({**REPORT, "growth": [ROW]}))
    assert "new <way>" in "".join(tree.itertext())
    _, _, width, height = map(float, tree.get("viewBox").split())
    for rect in tree.iter(f"{SVG}rect"):
        right = float(rect.get("x", 0)) + float(rect.get("width"))
        assert right <= width
        assert float(rect.get("y", 0)) + float(rect.get("height")) <= height


def test_the_floor_crosses_no_number():
    short = {**REPORT, "decode_s": {"free": 5.0, "titles": 0.6, "new <way>": 0.0}}
    tree = ET.fromstring(picture(short))
    (line,) = tree.iter(f"{SVG}path")
    at = float(line.get("d")[1:].split()[0])
    starts = [
        float(found.get("x")) for found in tree.iter(f"{SVG}text") if found.text in ("1.10", "1.00")
    ]
    assert len(starts) == 2
    assert all(start > at or start + 30 < at for start in starts)


def test_the_dark_scheme_changes_ground_text_and_line():
    tree = ET.fromstring(picture(REPORT))
    (style,) = tree.iter(f"{SVG}style")
    assert "prefers-color-scheme: dark" in style.text
    for name in (".ground", "text", ".line"):
        assert f"{name} {{" in style.text
    assert {found.get("class") for found in tree.iter() if found.get("class")} == {"ground", "line"}
