"""The checks of this folder in a few seconds each; README gives the commands of the long ones."""

import sqlite3
from pathlib import Path

import pytest

from .app import RunningApp
from .hostile import attack
from .kills import broken, kill_often, prepared_copy
from .visitors import crowd

pytestmark = pytest.mark.timeout(600)


def test_a_few_visitors(live_app: RunningApp) -> None:
    result = crowd(live_app, visitors=8, seconds=8, think=0.2)
    assert result["runs"] > 0
    assert result["searches"] > 0
    # Seconds of a shared machine say nothing about memory and speed; the long version does.
    assert result["verdicts"]["no_errors"], result
    assert result["verdicts"]["no_crossed_or_lost_session"], result


def test_hostile_inputs(live_app: RunningApp) -> None:
    result = attack(live_app, inputs=150)
    assert result["inputs"] > 120
    assert result["statuses"]["200"] > 30  # the page's own requests, hostile in content only
    assert all(result["verdicts"].values()), result


def test_kills(palr_home: Path) -> None:
    result = kill_often(palr_home, times=1, longest=6, PALR_LLM_BACKEND="scripted")
    assert all(result["verdicts"].values()), result


def test_a_half_installed_data_set_would_be_noticed(palr_home: Path, tmp_path: Path) -> None:
    home = prepared_copy(palr_home, tmp_path)
    (home / "catalog.db").write_bytes((palr_home / "catalog.db").read_bytes())
    assert broken(home) == []
    with sqlite3.connect(home / "catalog.db") as database:
        database.execute("DELETE FROM items WHERE position = 3")
    assert any("items" in fault for fault in broken(home))
