"""Plots where people look rather than read: pure functions from numbers to HTML and SVG.

Colours are the style sheet's, so that both modes follow by themselves. Each plot is a table that a
screen reader can read, or a picture with a sentence in its place. Labels are escaped here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from palr.ui.text import escape

MINUS = "\u2212"  # as wide as a plus, and read out as what it is
_STRONGEST = 42  # per cent of a cell's colour; more of it would leave its number hard to read


def heat_map(
    caption: str,
    rows: Sequence[str],
    columns: Sequence[tuple[str, str]],
    values: Sequence[Sequence[float]],
) -> str:
    """A table whose cells are coloured by value: green above zero, orange below.

    ``rows`` are HTML; ``columns`` are short heads and what they stand for, as text.
    """
    strongest = max((abs(v) for row in values for v in row), default=0.0) or 1.0
    heads = "".join(
        f'<th scope="col"><abbr title="{escape(name)}">{escape(short)}</abbr></th>'
        for short, name in columns
    )
    body = "".join(
        f'<tr><th scope="row">{name}</th>{"".join(_cell(v, strongest) for v in row)}</tr>'
        for name, row in zip(rows, values, strict=True)
    )
    return (
        f'<div class="table-scroll" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f'<table class="heat"><caption>{escape(caption)}</caption>'
        f"<thead><tr><td></td>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(value: float, strongest: float) -> str:
    share = round(abs(value) / strongest * _STRONGEST)
    colour = "--up" if value > 0 else "--down"
    style = f"background:color-mix(in srgb, var({colour}) {share}%, transparent)"
    return f'<td style="{style}">{signed(value)}</td>'


def signed(value: float) -> str:
    """
    >>> signed(0.126), signed(-0.126), signed(0.001), signed(12.4)
    ('+0.13', '\\u22120.13', '0', '+12')
    """
    digits = 0 if abs(value) >= 10 else 2
    shown = f"{abs(value):.{digits}f}"
    if float(shown) == 0:
        return "0"
    return f"{'+' if value > 0 else MINUS}{shown}"


def shares(caption: str, rows: Sequence[tuple[str, float, str]]) -> str:
    """Horizontal bars from 0 to 1: HTML of the name, the share, and the words for it."""
    body = "".join(
        f'<li><span class="share-name">{name}</span>'
        f'<span class="share-bar" aria-hidden="true">'
        f'<span style="width:{100 * share:.0f}%"></span></span>'
        f'<span class="share-words">{escape(words)}</span></li>'
        for name, share, words in rows
    )
    return f'<ul class="shares" aria-label="{escape(caption)}">{body}</ul>'


def columns(
    values: Sequence[float],
    label: str,
    ends: tuple[str, str],
    line: float | None = None,
) -> str:
    """Upright bars from left to right, with a dashed line across; ``label`` says it in words."""
    width, height, base, left = 560, 190, 150, 56
    top = max([*values, line or 0.0]) or 1.0
    step = (width - left) / max(len(values), 1)
    scale = (base - 18) / top
    bars = "".join(
        f'<rect class="bar" x="{left + n * step + 3:.1f}" y="{base - v * scale:.1f}" '
        f'width="{step - 6:.1f}" height="{v * scale:.1f}"><title>{v:.0%}</title></rect>'
        for n, v in enumerate(values)
    )
    rule = ""
    if line is not None:
        y = base - line * scale
        rule = f'<path class="rule" d="M{left} {y:.1f}H{width}"/>'
        if min(base - y, y - (base - top * scale)) > 16:
            rule += _text(left - 8, y + 4, f"{line:.0%}", "end")
    axis = (
        f'<path class="axis" d="M{left} {base}H{width}"/>'
        + _text(left - 8, base, "0%", "end")
        + _text(left - 8, base - top * scale + 5, f"{top:.0%}", "end")
        + _text(left, base + 22, ends[0])
        + _text(width - 4, base + 22, ends[1], "end")
    )
    return _svg(width, height, label, bars + rule + axis)


@dataclass(frozen=True)
class Dot:
    """A point of a map; ``kind`` is its class, ``mark`` what is written into it."""

    x: float
    y: float
    kind: str
    name: str
    mark: str = ""


def scatter(background: Sequence[tuple[float, float]], dots: Sequence[Dot], label: str) -> str:
    """A map: the background as one path, so that two thousand points stay light; dots on top, in
    their order. Pointing at a dot shows its name."""
    width, height, edge = 640, 460, 16
    points = [*background, *((dot.x, dot.y) for dot in dots)]
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    low, high = min(y for _, y in points), max(y for _, y in points)

    def at(x: float, y: float) -> tuple[float, float]:
        across = (x - left) / ((right - left) or 1.0)
        up = (y - low) / ((high - low) or 1.0)
        return edge + across * (width - 2 * edge), height - edge - up * (height - 2 * edge)

    moves = "".join("M{:.0f} {:.0f}h0".format(*at(x, y)) for x, y in background)
    marks = ""
    for dot in dots:
        x, y = at(dot.x, dot.y)
        written = _text(x, y + 4, dot.mark, "middle") if dot.mark else ""
        marks += f'<g class="dot dot-{dot.kind}"><title>{escape(dot.name)}</title>'
        if dot.kind == "pick":
            marks += f'<path d="M{x:.1f} {y - 7:.1f}l7 7l-7 7l-7 -7z"/>'
        else:
            radius = 10 if dot.mark else 4
            marks += f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}"/>'
        marks += f"{written}</g>"
    return _svg(width, height, label, f'<path class="cloud" d="{moves}"/>{marks}')


def histogram(values: Sequence[float], ticks: Sequence[tuple[float, str]], label: str) -> str:
    """How many values lie where, on a scale of roots, so that few show beside many; below it a
    stroke for each of ``ticks``, (value, class)."""
    width, base, left = 640, 150, 12
    low, high = min(values), max(values)
    spread = (high - low) or 1.0
    counts = [0] * 48
    for value in values:
        counts[min(int((value - low) / spread * len(counts)), len(counts) - 1)] += 1
    top = max(counts) ** 0.5 or 1.0
    step = (width - 2 * left) / len(counts)
    bars = "".join(
        f'<rect class="bar-quiet" x="{left + n * step:.1f}" y="{base - c**0.5 / top * 128:.1f}" '
        f'width="{step - 1:.1f}" height="{c**0.5 / top * 128:.1f}"><title>{c:,}</title></rect>'
        for n, c in enumerate(counts)
        if c
    )
    strokes = "".join(
        f'<path class="tick tick-{kind}" d="M{left + (v - low) / spread * (width - 2 * left):.1f} '
        f'{base + 4}v14"/>'
        for v, kind in ticks
    )
    axis = f'<path class="axis" d="M{left} {base}H{width - left}"/>'
    ends = _text(left, base + 36, f"{low:.2f}") + _text(
        width - left, base + 36, f"{high:.2f}", "end"
    )
    return _svg(width, base + 44, label, bars + axis + strokes + ends)


def _svg(width: int, height: int, label: str, body: str) -> str:
    return (
        f'<svg class="plot" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(label)}">{body}</svg>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
