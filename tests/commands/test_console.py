"""What a terminal shows, and how a command ends, whatever the terminal and whoever stops it."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from palr.commands import console
from palr.errors import PalrError

ROOT = Path(__file__).parents[2]
TEXT = "Amélie 💄 naïve\udcff"


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch):
    """Stand-ins for stdout and stderr in an encoding; tells what bytes they got."""

    def make(encoding: str, errors: str = "strict") -> io.BytesIO:
        raw = io.BytesIO()
        stream = io.TextIOWrapper(raw, encoding=encoding, errors=errors)
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
        console.prepare("palr")
        return raw

    return make


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "cp437", "utf-8"])
def test_a_console_that_lacks_a_letter_gets_an_escape_that_json_reads_back(screen, encoding):
    raw = screen(encoding)
    console.echo(json.dumps({"label": TEXT}, ensure_ascii=False))
    assert json.loads(raw.getvalue().decode(encoding)) == {"label": TEXT}


def test_what_a_person_chose_for_such_letters_is_kept(screen):
    raw = screen("ascii", "replace")
    console.echo("Amélie")
    assert raw.getvalue() == b"Am?lie\n"


def test_a_title_cannot_steer_the_terminal(capsys):
    def app():
        raise PalrError("no movie is called '\x1b[31m'\nor so")

    with pytest.raises(SystemExit) as ended:
        console.run("palr", app)
    assert ended.value.code == 2
    assert capsys.readouterr().err == "palr: no movie is called '\\u001b[31m' or so\n"


def test_an_error_of_a_disk_is_one_line(capsys, tmp_path):
    with pytest.raises(SystemExit) as ended:
        console.run("palr", (tmp_path / "gone").read_text)
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"palr: {tmp_path}/gone: No such file or directory\n"


def environment(home: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "PALR_HOME": str(home), "PALR_LLM_BACKEND": "scripted", **more}


def started(home: Path, *arguments: str, python: tuple[str, ...] = ()):
    return subprocess.Popen(
        [sys.executable, *python, "-m", *arguments],
        cwd=ROOT,
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("program", ["palr", pytest.param("finetune", marks=pytest.mark.long)])
def test_ctrl_c_while_it_loads_is_one_line(program, tmp_path):
    process = started(tmp_path, program, "data", "list", python=("-X", "importtime"))
    for line in process.stderr:  # names each module once it is imported
        if line.rstrip().endswith("palr.domains"):
            break
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    said = [line for line in told.splitlines() if not line.startswith("import time:")]
    assert (said, process.returncode) == ([f"{program}: interrupted"], 130)


def test_ctrl_c_while_it_works_is_one_line(tmp_path):
    pipe = tmp_path / "run.json"
    os.mkfifo(pipe)
    process = started(tmp_path, "palr", "replay", str(pipe))
    with pipe.open("w"):  # opens once the command reads from it, which then waits for a word
        process.send_signal(signal.SIGINT)
        out, told = process.communicate(timeout=60)
    assert (out, told, process.returncode) == ("", "palr: interrupted\n", 130)


def test_a_closed_pipe_ends_quietly(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "palr", "data", "list"],
        cwd=ROOT,
        env=environment(tmp_path),
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert (done.stderr, done.returncode) == (b"", 1)


@pytest.mark.long
@pytest.mark.parametrize(("encoding", "form"), [("ascii", "--json"), ("cp1252", "--markdown")])
def test_a_run_prints_on_any_console(palr_home, encoding, form):
    picks = ("--pick", "Umbrellas of Cherbourg, The (1964)", "--wish", "naïve 💄 laughs")
    done = subprocess.run(
        [sys.executable, "-m", "palr", "recommend", *picks, form],
        cwd=ROOT,
        env=environment(palr_home, PYTHONIOENCODING=encoding),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr
    text = done.stdout.decode(encoding)
    if form == "--json":
        assert json.loads(text)["trace"]["asked"]["wish"]["words"] == "naïve 💄 laughs"
    else:
        assert "naïve, \\ud83d\\udc84" in text


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (Path.mkdir, "Is a directory"),
        (Path.touch, "it is not JSON"),
        (lambda path: path.write_bytes(os.urandom(999)), "it is not JSON"),
        (lambda path: None, "No such file"),
        (lambda path: path.write_text('{"format": "palr-trace", "version": 1}'), "is damaged at"),
    ],
)
def test_a_file_that_is_no_trace_is_one_line(capsys, tmp_path, make, why):
    from palr.commands.run import replay

    make(tmp_path / "run.json")
    with pytest.raises(SystemExit) as ended:
        console.run("palr", lambda: replay(tmp_path / "run.json"))
    told = capsys.readouterr().err
    assert (ended.value.code, told.count("\n")) == (2, 1)
    assert why in told
