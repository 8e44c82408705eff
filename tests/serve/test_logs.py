"""What is written about a run, and what is not."""

import json
import logging
from collections.abc import Iterator

import pytest

from palr.serve.logs import configure, log_run
from palr.types import Item, Profile, RankedItem, Ranking, Recommendation

TRACE = Recommendation(
    "movies",
    "ml-100k",
    (Item("1", "Secret Pick"),),
    profile=Profile(text="Secret profile."),
    ranking=Ranking((RankedItem(Item("2", "Secret Answer"), 1, 3),)),
    seconds={"profile": 1.23456},
    run_id="abc123",
)


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root, runs = logging.getLogger(), logging.getLogger("palr.runs")
    handlers, levels = root.handlers[:], (root.level, runs.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    runs.setLevel(levels[1])


def test_a_run_is_one_json_line_without_what_was_picked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("json")
    log_run(TRACE, "done", waited=0.5)
    line = json.loads(capsys.readouterr().err)
    assert line["run"] == "abc123"
    assert line["outcome"] == "done"
    assert line["picks"] == 1
    assert line["seconds"] == {"profile": 1.2346}
    assert "Secret" not in json.dumps(line)


def test_texts_are_written_where_they_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json+text")
    log_run(TRACE, "done", waited=0.0)
    assert json.loads(capsys.readouterr().err)["text"] == {
        "picks": ["Secret Pick"],
        "profile": "Secret profile.",
        "ranking": ["Secret Answer"],
    }


def test_plain_logs_are_quiet_about_what_went_well(capsys: pytest.CaptureFixture[str]) -> None:
    configure("plain")
    log_run(TRACE, "done", waited=0.0)
    assert capsys.readouterr().err == ""
    log_run(TRACE, "fallback", waited=0.0)
    assert capsys.readouterr().err == "WARNING palr.runs: run fallback\n"


def test_an_error_keeps_its_traceback_in_the_same_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json")
    try:
        raise ZeroDivisionError("here")
    except ZeroDivisionError:
        logging.getLogger("x").exception("it failed")
    line = json.loads(capsys.readouterr().err)
    assert "ZeroDivisionError: here" in line["exception"]
