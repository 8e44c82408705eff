"""The picture of a ranking report: the time of every way, and how it grows. Plain SVG."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

_WIDTH, _LEFT, _BAR, _ROW = 770, 300, 340, 30
_PREFILL, _DECODE, _INK, _FLOOR = "#9db4c0", "#c2542d", "#253237", "#111111"
_NAMES = {
    "free": "free generation",
    "prefix_allowed_tokens_fn": "prefix_allowed_tokens_fn",
    "titles": "titles, forced runs",
    "labels": "labels",
    "likelihood": "title likelihood",
    "relevance": "relevance",
}


def picture(report: Mapping[str, Any]) -> str:
    """``report`` as `palr.bench.bench_ranking` returns it, with or without ``growth``."""
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
        more, y = _chart("titles, as candidates and history grow", growth, y + 40)
        body += more
    where = (
        f"{machine['device']}, {machine['threads']} threads, mean of {report['prompts']} prompts"
    )
    body += _text(20, y + 30, f"seconds; {where}", 12)
    body += _key(y + 50, "reading the prompt", _PREFILL, 20)
    body += _key(y + 50, "decisions and forced tokens", _DECODE, 190)
    height = y + 75
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="{escape(heading)}: seconds of each way of ranking" '
        f'font-family="system-ui, sans-serif" fill="{_INK}">\n'
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>\n{body}</svg>\n'
    )


def _chart(
    heading: str, bars: Sequence[tuple[str, float, float]], y: int, floor: float | None = None
) -> tuple[str, int]:
    """Stacked bars below a heading, and where they end."""
    longest = max(prefill + decode for _, prefill, decode in bars) or 1.0
    scale = _BAR / longest
    out = _text(20, y, heading, 16)
    top = y + 20
    for n, (name, prefill, decode) in enumerate(bars):
        at = top + n * _ROW
        a, b = prefill * scale, decode * scale
        out += _text(_LEFT - 10, at + 15, name, 13, "end")
        out += f'<rect x="{_LEFT}" y="{at}" width="{a:.1f}" height="20" fill="{_PREFILL}"/>\n'
        out += (
            f'<rect x="{_LEFT + a:.1f}" y="{at}" width="{b:.1f}" height="20" fill="{_DECODE}"/>\n'
        )
        out += _text(_LEFT + a + b + 8, at + 15, f"{prefill + decode:.2f}", 13)
    end = top + len(bars) * _ROW
    if floor is not None:
        x = _LEFT + floor * scale
        out += f'<path d="M{x:.1f} {top - 4}V{end}" stroke="{_FLOOR}" stroke-dasharray="4 3"/>\n'
        out += _text(x + 4, end + 8, f"floor {floor:.2f}", 12)
        end += 10
    return out, end


def _text(x: float, y: float, text: str, size: int, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">'
        f"{escape(text)}</text>\n"
    )


def _key(y: int, name: str, colour: str, x: int) -> str:
    square = f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{colour}"/>\n'
    return square + _text(x + 18, y, name, 12)
