"""Charts of two figures a row: of every model, here beside the paper, and of what is asked for,
before and after. Plain SVG."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from palr.bench.picture import bar, frame, key, text

LEFT, BAR, VALUE, GAP, ROW, TOP = 170, 210, 60, 20, 32, 74
FIRST, SECOND = "#2f7d5b", "#b58a2b"


@dataclass(frozen=True)
class Row:
    """Two figures of one thing, such as a model's here and in the paper.

    Attributes:
        label: What they are figures of.
        first: Such as ours; None where it was not measured.
        second: Such as the paper's, likewise.
    """

    label: str
    first: float | None
    second: float | None


def bar_chart(heading: str, panels: Mapping[str, Sequence[Row]], keys: tuple[str, str]) -> str:
    """Horizontal bars, one panel for each data set, the same rows in each.

    Args:
        heading: What is shown.
        panels: For each data set its rows, in the same order. Each panel has a scale of its own.
        keys: What the first and the second figure of each row are.

    Returns:
        The text of an SVG file.
    """
    labels = [row.label for row in next(iter(panels.values()))]
    width = LEFT + len(panels) * (BAR + VALUE + GAP)
    height = TOP + len(labels) * ROW + 50
    body = text(20, 30, heading, 16)
    for n, label in enumerate(labels):
        body += text(LEFT - 10, TOP + n * ROW + 14, label, 13, "end")
    for n, (name, rows) in enumerate(panels.items()):
        x = LEFT + n * (BAR + VALUE + GAP)
        body += text(x, TOP - 14, name, 13) + _bars(x, rows)
    end = TOP + len(labels) * ROW + 24
    body += key(20, end, keys[0], FIRST) + key(40 + 8 * len(keys[0]), end, keys[1], SECOND)
    return frame(width, height, heading, body)


def _bars(x: float, rows: Sequence[Row]) -> str:
    figures = [figure for row in rows for figure in (row.first, row.second) if figure is not None]
    scale = BAR / max(figures)
    out = ""
    for n, row in enumerate(rows):
        y = TOP + n * ROW
        for figure, at, colour in ((row.first, y, FIRST), (row.second, y + 13, SECOND)):
            if figure is not None:
                out += bar(x, at, figure * scale, 11, colour)
                out += text(x + figure * scale + 6, at + 10, f"{figure:.4f}", 11)
    return out
