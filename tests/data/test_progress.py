"""Bars where a person watches, lines where a file does."""

import io
import sys

import pytest

from palr.data.progress import Bars


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def drawn(stderr: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "stderr", stderr)
    with Bars() as bars:
        for done in range(1, 4):
            bars("Counting", done, 3, "sheep")
        for done in (1 << 20, 3 << 20):
            bars("archive", done, 3 << 20, "B")
    return stderr.getvalue()


def test_a_log_gets_one_line_for_each_piece_of_work(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(io.StringIO(), monkeypatch) == "Counting: 3 sheep\narchive: 3.00MB\n"


def test_a_terminal_gets_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = drawn(Terminal(), monkeypatch)
    assert "\rCounting" in shown
    assert "100%|" in shown
