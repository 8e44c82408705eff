import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from palr.errors import PalrError, UnwritableError
from palr.files import replacing, write

KILLED = """
import os, signal, sys
from pathlib import Path
from palr.files import replacing

with replacing(Path(sys.argv[1])) as file:
    file.write(b"half of")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_text_and_bytes_are_written_and_replace_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.json"
    write(path, "né\n")
    assert path.read_bytes() == "né\n".encode()
    write(path, b"\x00")
    assert path.read_bytes() == b"\x00"
    assert list(path.parent.iterdir()) == [path]


def test_the_old_file_is_there_until_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write(path, "old")
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write(path, "old")

    def fail() -> None:
        with replacing(path) as file:
            file.write(b"half of")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_process_killed_in_the_middle_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write(path, "old")
    run = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert run.returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    write(path, "new")
    assert path.read_text() == "new"


def test_writers_at_the_same_time_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "file"
    contents = [bytes([letter]) * 200_000 for letter in b"abcdefgh"]
    together = threading.Barrier(len(contents))
    errors: list[Exception] = []

    def work(content: bytes) -> None:
        try:
            with replacing(path) as file:
                file.write(content[:100_000])
                file.flush()
                together.wait(timeout=30)
                file.write(content[100_000:])
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert path.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "below" / "x"
    with pytest.raises(UnwritableError, match=r"below/x cannot be written \(.*set PALR_HOME"):
        write(path, "")
    assert issubclass(UnwritableError, PalrError)
    assert issubclass(UnwritableError, OSError)


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    def fill() -> None:
        with replacing(tmp_path / "x"), Path("/dev/full").open("wb") as full:
            full.write(b"x")

    with pytest.raises(UnwritableError, match="No space left"):
        fill()
    assert list(tmp_path.iterdir()) == []
