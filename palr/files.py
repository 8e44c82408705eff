"""Files that are whole or absent: written beside their place, then moved there in one step."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from palr.errors import UnwritableError


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
