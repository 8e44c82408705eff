"""The chart of a ranking report: the seconds of each way to rank, and how they grow. Plain SVG.

`frame`, `text` and `key` are for other charts of the documentation too. A chart follows the
reader's colour scheme: the style sheet of `frame` swaps ground, ink and lines in the dark.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

INK = "#253237"
_WIDTH, _LEFT, _BAR, _ROW = 770, 300, 340, 30
_VALUE = 30  # width of a number beside its bar
_PREFILL, _DECODE, _FLOOR = "#9db4c0", "#c2542d", "#111111"
_NAMES = {
    "free": "free generation",
    "prefix_allowed_tokens_fn": "prefix_allowed_tokens_fn",
    "titles": "titles",
    "labels": "labels",
    "likelihood": "likelihood",
    "relevance": "relevance",
}
_DARK = (
    "<style>@media (prefers-color-scheme: dark) {"
    " .ground { fill: #16191a } text { fill: #e4e8e6 } .line { stroke: #e4e8e6 } }</style>"
)


def picture(report: Mapping[str, Any]) -> str:
    """Draw a report of `palr.bench.ranking.bench_ranking`, with or without its ``growth``.

    Args:
        report: What `python -m palr bench ranking --json FILE` writes; times in seconds.

    Returns:
        The text of an SVG file.
    """
    machine = report["machine"]
    bars = [
        (_NAMES.get(way, way), report["prefill_s"][way], report["decode_s"][way])
        for way in report["p50_s"]
    ]
    heading = f"20 picks, 50 candidates, {machine['model']} in {machine['dtype']}"
    body, y = _chart(heading, bars, 40, report["floor_s"])
    growth = [
        (
            f"{row['candidates']} candidates, {row['history']} picks, "
            f"{row['decisions']:.0f} decisions",
            row["prefill_s"],
            row["decode_s"],
        )
        for row in report.get("growth", ())
    ]
    if growth:
        more, y = _chart("titles, with more candidates and longer histories", growth, y + 40)
        body += more
    where = (
        f"{machine['device']}, {machine['threads']} threads, mean of {report['prompts']} prompts"
    )
    body += text(20, y + 30, f"seconds; {where}", 12)
    body += key(20, y + 50, "reading the prompt", _PREFILL)
    body += key(190, y + 50, "decoding the answer", _DECODE)
    return frame(_WIDTH, y + 75, f"{heading}: seconds of each way of ranking", body)


def frame(width: int, height: int, label: str, body: str) -> str:
    """An SVG file of this size in pixels; ``label`` says to screen readers what it shows."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(label)}" font-family="system-ui, sans-serif" fill="{INK}">\n'
        f'{_DARK}\n<rect class="ground" width="{width}" height="{height}" fill="#ffffff"/>\n'
        f"{body}</svg>\n"
    )


def text(x: float, y: float, words: str, size: int, anchor: str = "start") -> str:
    """Words on one line; ``anchor`` (start, middle, end) says which part of them is at ``x``."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">'
        f"{escape(words)}</text>\n"
    )


def bar(x: float, y: float, width: float, height: float, colour: str) -> str:
    """A filled rectangle, in pixels."""
    return (
        f'<rect x="{x:.1f}" y="{y:g}" width="{width:.1f}" height="{height:g}" fill="{colour}"/>\n'
    )


def key(x: float, y: float, name: str, colour: str) -> str:
    """A small square of a colour, and what the colour stands for."""
    return bar(x, y - 10, 12, 12, colour) + text(x + 18, y, name, 12)


def _chart(
    heading: str, bars: Sequence[tuple[str, float, float]], y: int, floor: float | None = None
) -> tuple[str, int]:
    """Stacked bars below a heading, and where they end."""
    longest = max(prefill + decode for _, prefill, decode in bars) or 1.0
    scale = _BAR / longest
    out = text(20, y, heading, 16)
    top = y + 20
    line = _LEFT + floor * scale if floor is not None else 0.0
    for n, (name, prefill, decode) in enumerate(bars):
        at = top + n * _ROW
        a, b = prefill * scale, decode * scale
        out += text(_LEFT - 10, at + 15, name, 13, "end")
        out += bar(_LEFT, at, a, 20, _PREFILL) + bar(_LEFT + a, at, b, 20, _DECODE)
        beside = _LEFT + a + b + 8
        beside = line + 6 if beside - 4 < line < beside + _VALUE else beside
        out += text(beside, at + 15, f"{prefill + decode:.2f}", 13)
    end = top + len(bars) * _ROW
    if floor is not None:
        out += (
            f'<path class="line" d="M{line:.1f} {top - 4}V{end}" stroke="{_FLOOR}" '
            'stroke-dasharray="4 3"/>\n'
        )
        out += text(line + 4, end + 8, f"floor of titles {floor:.2f}", 12)
        end += 10
    return out, end
