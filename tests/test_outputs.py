"""Output files: looked at before the work begins, and kept elsewhere where they fail after it."""

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from finetune.__main__ import app as finetune_app
from palr.__main__ import app as palr_app
from palr.errors import UnwritableError
from palr.outputs import STDOUT, kept, output_file, output_folder, output_name, save

FULL = Path("/dev/full")  # takes no byte, as a full disk
APPS = {"palr": palr_app, "finetune": finetune_app}
READ = {"--from", "--weights", "file", "adapter", "--adapter"}  # what commands read


def paths() -> Iterator[tuple[tuple[str, ...], str, list[str]]]:
    """Every path that a command takes: the command, the option, what else it must be given."""
    found = [((name,), typer.main.get_command(app)) for name, app in APPS.items()]
    for words, command in found:
        below = getattr(command, "commands", {})
        found += [((*words, name), within) for name, within in below.items()]
        needed = []
        for parameter in [] if below else command.params:
            if parameter.required:
                needed += [*(o for o in parameter.opts if o.startswith("-")), "x"]
        for parameter in [] if below else command.params:
            if "Path" in str(parameter.type_descriptor.annotation):
                yield words, parameter.opts[0], needed


OUTPUTS = [case for case in paths() if case[1] not in READ]


def test_the_outputs_are_these() -> None:
    assert {(" ".join(words), option) for words, option, _ in OUTPUTS} == {
        ("palr bench ranking", "--json"),
        ("palr bench ranking", "--picture"),
        ("palr bench retrieval", "--json"),
        ("palr bench steer", "--json"),
        ("palr compare", "--json"),
        ("palr evaluate", "--json"),
        ("palr train-retriever", "--out"),
        ("finetune bench", "--json"),
        ("finetune ceiling", "--json"),
        ("finetune evaluate", "--json"),
        ("finetune reproduce", "--json"),
        ("finetune train", "--out"),
    }


@pytest.mark.parametrize(("words", "option", "needed"), OUTPUTS, ids=str)
@pytest.mark.parametrize("bad", ["file/x", "x" * 300, ""])
def test_no_command_begins_with_an_output_that_must_fail(
    tmp_path: Path, words: tuple[str, ...], option: str, needed: list[str], bad: str
) -> None:
    (tmp_path / "file").write_text("in the way")
    given = str(tmp_path / bad) if bad else ""
    arguments = [*words[1:], *needed, option, given]
    # Without a home or data set, so that anything that begins would fail otherwise.
    environment = {"PALR_HOME": "/proc/nowhere"}
    result = CliRunner().invoke(APPS[words[0]], arguments, env=environment)
    assert isinstance(result.exception, UnwritableError), result.output
    assert "\n" not in str(result.exception)
    assert os.listdir(tmp_path) == ["file"]


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """Root may write anywhere; nobody may not."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


@pytest.mark.parametrize("name", ["result.json", "é ü.json", "x" * 255, "a.b.c"])
def test_a_file_that_can_be_written_is_taken_and_not_made(tmp_path: Path, name: str) -> None:
    path = output_file(str(tmp_path / name))
    assert path == tmp_path / name
    assert not path.exists()
    save({path: "é"})
    assert path.read_text(encoding="utf-8") == "é"


def test_an_old_file_is_left_until_the_new_one_is_whole(tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    old.write_text("old")
    link = tmp_path / "link.json"
    link.symlink_to(old)
    path = output_file(str(link))
    assert old.read_text() == "old"
    save({path: "new"})
    assert (link.is_symlink(), old.read_text()) == (True, "new")


def test_a_home_in_the_name_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert output_file("~/x.json") == tmp_path / "x.json"
    assert output_folder("~/out") == tmp_path / "out"


def test_standard_output_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert output_file("-") == STDOUT
    save({STDOUT: "x"})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("folder", "it is a folder; add the name of a file"),
        ("folder/", "it is a folder; add the name of a file"),
        ("new/", "it is a folder; add the name of a file"),
        ("new/x.json", "its folder does not exist"),
        ("file/x.json", "its folder does not exist"),
        ("x" * 256, "File name too long"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, bad: str, why: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    text = f"{tmp_path}/{bad}"
    with pytest.raises(UnwritableError) as caught:
        output_file(text)
    assert str(caught.value) == f"{text} cannot be written: {why}"


def test_no_permission_is_said(unprivileged: None) -> None:
    for parse in (output_file, output_folder):
        with pytest.raises(UnwritableError, match="Permission denied"):
            parse("/etc/palr-result")
    with pytest.raises(UnwritableError, match="Permission denied"):
        output_file("/etc/passwd")


def test_a_folder_is_made_later_or_refused_now(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert output_folder(str(tmp_path / "a" / "b")) == tmp_path / "a" / "b"
    assert os.listdir(tmp_path) == ["file"]
    for bad in ("file", "file/x", "x" * 256):
        with pytest.raises(UnwritableError, match=r"cannot write to .* name an output folder"):
            output_folder(str(tmp_path / bad))


@pytest.mark.parametrize("bad", ["..", ".", "a/b", "/etc", "a\\b", "a\nb", "x" * 201, "é" * 101])
def test_a_name_leads_nowhere_else(bad: str) -> None:
    with pytest.raises(UnwritableError, match="cannot be the name of a folder"):
        output_name(bad)
    assert output_name("palr-v2.1 é") == "palr-v2.1 é"


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    good = tmp_path / "good.svg"
    with pytest.raises(UnwritableError) as caught:
        save({output_file(str(FULL)): "result", good: "picture"})
    (place,) = (tmp_path / "home").iterdir()
    expected = f"{FULL} cannot be written (No space left on device); it is in {place} instead"
    assert str(caught.value) == expected
    assert (place.read_text(), good.read_text()) == ("result", "picture")
    assert stat.S_ISCHR(FULL.stat().st_mode)


def test_without_a_home_it_is_in_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/proc/nowhere")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(UnwritableError, match=f"it is in {tmp_path}/full-.* instead"):
        save({FULL: "result"})
    assert [path.read_text() for path in tmp_path.iterdir()] == ["result"]
    monkeypatch.setattr(tempfile, "tempdir", "/proc/nowhere")
    with pytest.raises(UnwritableError, match="nor can your home or the temporary folder"):
        save({FULL: "result"})


def test_a_folder_is_kept_elsewhere_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "out").write_text("in the way by now")

    def writes(folder: Path) -> str:
        folder.mkdir()
        (folder / "weights").write_text("w")
        return folder.name

    assert kept(tmp_path / "fine", writes) == "fine"
    with pytest.raises(UnwritableError, match=rf"File exists\); it is in {tmp_path}/out-\w+ inst"):
        kept(tmp_path / "out", writes)
    assert [path.parent.name[:4] for path in tmp_path.glob("out-*/weights")] == ["out-"]


def test_a_pipe_gets_what_a_file_would(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    save({output_file(f"/dev/fd/{writer}"): "result"})
    os.close(writer)
    with open(reader) as stream:
        assert stream.read() == "result"
