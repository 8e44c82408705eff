"""Files that a person asks for: looked at before the work begins, and not lost where they fail.

>>> output_file("no-such-folder/result.json")
Traceback (most recent call last):
palr.errors.UnwritableError: no-such-folder/result.json cannot be written: its folder does not exist
"""

import errno
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

from palr.errors import UnwritableError
from palr.files import write

STDOUT = Path("-")
_LONGEST_STEM = 100  # of what is kept elsewhere
_LONGEST_NAME = 200  # in bytes; disks take 255, and what lies beside it has longer names
# Of folders that take no new file beside the old one: mounted alone, of somebody else, or with no
# room for a longer name.
_NO_NEW_FILE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.ENAMETOOLONG)

T = TypeVar("T")


def output_file(text: str) -> Path:
    """Parses an option: the path of a file that can be written; "-" is standard output.

    Raises:
        UnwritableError: it is a folder, its own folder is missing or cannot be written, or the disk
            takes no such name.
    """
    path = _absolute(text)
    if text == str(STDOUT):
        return STDOUT
    try:
        if not text.strip() or text.endswith(os.sep) or path.is_dir():
            fault = "it is a folder; add the name of a file"
        elif not path.parent.is_dir():
            fault = "its folder does not exist"
        else:
            fault = ""
            _try_file(path)
    except OSError as error:
        fault = _why(error)
    if fault:
        raise UnwritableError(f"{text or repr(text)} cannot be written: {fault}")
    return path


def output_folder(text: str) -> Path:
    """Parses an option: the path of a folder that can be written, or made.

    Raises:
        UnwritableError: it is a file, or the folder above it cannot be written.
    """
    path = _absolute(text)
    try:
        nearest = next(place for place in (path, *path.parents) if place.exists())
        fault = "" if nearest.is_dir() else f"{nearest} is a file"
        if not fault:
            with tempfile.TemporaryFile(dir=nearest):
                pass
    except OSError as error:
        fault = _why(error)
    if fault or not text.strip():
        raise UnwritableError(
            f"cannot write to {text or repr(text)} ({fault or 'it has no name'}); name an output "
            "folder that is writable, or set PALR_HOME to one"
        )
    return path


def output_name(text: str) -> str:
    """Parses an option: the name of a folder to be made in the home; "" leaves it to the command.

    Raises:
        UnwritableError: it would lead elsewhere, or the disk takes no such name.
    """
    plain = text not in (".", "..") and not set(text) & set('/\\:*?"<>|') and text.isprintable()
    if not plain or len(os.fsencode(text)) > _LONGEST_NAME:
        raise UnwritableError(
            f"{text[:80]!r} cannot be the name of a folder: take at most {_LONGEST_NAME} letters, "
            "digits and hyphens"
        )
    return text


def save(contents: Mapping[Path, str]) -> None:
    """Write whole files, even where one of them fails.

    Args:
        contents: Text by path, as `output_file` gives it. What is for `STDOUT` is passed over.

    Raises:
        UnwritableError: some cannot be written; the message says where they are instead.
    """
    failed = []
    for path, content in contents.items():
        try:
            if path != STDOUT:
                kept(path, partial(_write, content))
        except UnwritableError as error:
            failed.append(str(error))
    if failed:
        raise UnwritableError("; ".join(failed))


def kept(path: Path, writes: Callable[[Path], T]) -> T:
    """Write a file or a folder; where that fails, into the user's home or the temporary folder.

    Args:
        path: Where it is wanted.
        writes: Writes it to a path.

    Returns:
        What ``writes`` returns.

    Raises:
        UnwritableError: it could not be written there; the message says where it is instead.
    """
    try:
        return writes(path)
    except OSError as error:
        failed = f"{path} cannot be written ({_why(error)})"
        for place in _elsewhere(path):
            try:
                writes(place)
            except OSError:
                continue
            raise UnwritableError(f"{failed}; it is in {place} instead") from error
        raise UnwritableError(f"{failed}, nor can your home or the temporary folder") from error


def _absolute(text: str) -> Path:
    path = os.path.abspath(os.path.expanduser(text))
    real = os.path.realpath(path)
    # A pipe, such as /dev/fd/5, is there and has no real path.
    return Path(path if os.path.exists(path) and not os.path.exists(real) else real)


def _try_file(path: Path) -> None:
    if path.is_file():
        path.open("ab").close()
    elif path.exists():  # a device or a pipe, which may wait for its reader when it is opened
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    else:
        path.open("xb").close()
        path.unlink()


def _write(content: str, path: Path) -> None:
    if path.exists() and not path.is_file():
        path.write_text(content, encoding="utf-8")
        return
    try:
        write(path, content)
    except UnwritableError as error:
        if not isinstance(error.__cause__, OSError) or error.__cause__.errno not in _NO_NEW_FILE:
            raise
        path.write_text(content, encoding="utf-8")


def _elsewhere(path: Path) -> Iterator[Path]:
    name = f"{path.stem[:_LONGEST_STEM]}-{secrets.token_hex(4)}{path.suffix}"
    for folder in (os.path.expanduser("~"), tempfile.gettempdir()):
        yield Path(folder) / name


def _why(error: OSError) -> str:
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    return cause.strerror or str(cause)
