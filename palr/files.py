"""Files that are whole or absent, written beside their place and moved there in one step; and text
in whatever encoding it was saved."""

import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from palr.errors import UnwritableError

# Where latin-1 has control characters, Windows' cp1252 has quotes and dashes. Text holds none of
# those controls but the line end 0x85.
_WINDOWS = re.compile(rb"[\x80-\x84\x86-\x9f]")


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of ``path`` when the block ends.

    Until then, and where the block fails or the process is killed, the old file stays as it was.
    Writers at the same time do not meet: each has a file of its own, and the last one wins.

    Args:
        path: The file to replace or create; missing folders above it are made.

    Yields:
        A new binary file beside ``path``. The block should only write: an OSError in it is taken
        for a failure to write.

    Raises:
        UnwritableError: the folder cannot be written, or the disk is full.
    """
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError as error:
        raise UnwritableError(
            f"{path} cannot be written ({error.strerror or error}); free some space, or set "
            "PALR_HOME or the output folder to one that can be written"
        ) from error
    finally:
        with suppress(OSError):
            unfinished.unlink()


def write(path: Path, content: bytes | str) -> None:
    """Write a whole file at once, text as UTF-8; see `replacing`.

    Raises:
        UnwritableError: the folder cannot be written, or the disk is full.
    """
    with replacing(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def decoded(content: bytes, *, legacy: bool = True) -> str:
    """The text of a file: UTF-8 or UTF-16, with a byte order mark or without, or older.

    >>> [decoded("Amélie".encode(name)) for name in ("utf-8-sig", "utf-16", "utf-16-le", "cp1252")]
    ['Amélie', 'Amélie', 'Amélie', 'Amélie']

    Args:
        content: The bytes of the file.
        legacy: Whether bytes that are no UTF-8 are read as latin-1, or as Windows' cp1252 where
            they can only be that.

    Raises:
        UnicodeDecodeError: they are in none of these encodings.
    """
    encoding = json.detect_encoding(content)  # by the mark, or by where the zeros are
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        if not legacy or encoding != "utf-8":
            raise
    return content.decode("cp1252" if _WINDOWS.search(content) else "latin-1")
