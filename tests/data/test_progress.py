"""Bars on a terminal, lines elsewhere."""

import io

import pytest

from palr.data import progress
from palr.data.progress import Bars


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def work(bars: Bars) -> None:
    for done in range(0, 1001, 10):
        bars("Reading", done, 1000, "rows")


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", Terminal())
    with Bars() as bars:
        work(bars)
        shown = bars_text()
    assert "\r" in shown
    assert "100%" in shown


def test_a_log_gets_one_line_of_a_short_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", io.StringIO())
    with Bars() as bars:
        work(bars)
        work(bars)
    assert bars_text() == "Reading: 1,000 rows\n" * 2


def test_a_log_gets_a_line_now_and_then_of_a_long_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", io.StringIO())
    monkeypatch.setattr(progress, "LOG_SECONDS", 0)
    with Bars() as bars:
        bars("Reading", 1, 3, "rows")
        bars("Reading", 2, 3, "rows")
        bars("Reading", 3, 3, "rows")
    lines = ["Reading: 1 of 3 rows", "Reading: 2 of 3 rows", "Reading: 3 rows"]
    assert bars_text().splitlines() == lines


def bars_text() -> str:
    import sys

    assert isinstance(sys.stderr, io.StringIO)
    return sys.stderr.getvalue()
