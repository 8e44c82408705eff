"""The checks of this folder in seconds or minutes; README gives the commands of the long ones."""

import sqlite3
from pathlib import Path

import pytest

from .app import RunningApp
from .hostile import attack
from .kills import broken, kill_often, prepared_copy
from .visitors import crowd

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize(
    ("visitors", "seconds"), [(4, 3), pytest.param(16, 60, marks=pytest.mark.long)]
)
def test_visitors_at_once(live_app: RunningApp, visitors: int, seconds: int) -> None:
    result = crowd(live_app, visitors, seconds, think=0.2)
    assert result["runs"] > 0
    assert result["searches"] > 0
    # Seconds of a shared machine say nothing about memory and speed; the long version does.
    assert result["verdicts"]["no_errors"], result
    assert result["verdicts"]["no_crossed_or_lost_session"], result


@pytest.mark.parametrize("inputs", [150, pytest.param(3000, marks=pytest.mark.long)])
def test_hostile_inputs(live_app: RunningApp, inputs: int) -> None:
    result = attack(live_app, inputs)
    assert result["inputs"] > 0.8 * inputs
    # The page's own requests, hostile in content only.
    assert result["statuses"]["200"] > 0.2 * inputs
    assert all(result["verdicts"].values()), result


@pytest.mark.long
def test_kills(palr_home: Path) -> None:
    result = kill_often(palr_home, times=3, longest=6, PALR_LLM_BACKEND="scripted")
    assert all(result["verdicts"].values()), result


def test_a_half_installed_data_set_would_be_noticed(palr_home: Path, tmp_path: Path) -> None:
    home = prepared_copy(palr_home, tmp_path)
    (home / "catalog.db").write_bytes((palr_home / "catalog.db").read_bytes())
    assert broken(home) == []
    with sqlite3.connect(home / "catalog.db") as database:
        database.execute("DELETE FROM items WHERE position = 3")
    assert any("items" in fault for fault in broken(home))
