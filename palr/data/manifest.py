"""A folder with a manifest: complete or absent, and checked cheaply each time it is used.

The manifest records size, modification time and SHA-256 of each file. A file whose size and time
still agree is taken as intact; any other is hashed.
"""

import hashlib
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

from palr.errors import UnwritableError
from palr.files import write

MANIFEST = "manifest.json"


def sha256(path: Path) -> str:
    """The SHA-256 of a file, as hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def publish(staged: Path, final: Path) -> Path:
    """Write a manifest into a folder and move the folder to its place.

    Args:
        staged: The complete new folder.
        final: Its place, on the same file system; a folder there is replaced.

    Returns:
        ``final``.

    Raises:
        OSError: a folder cannot be written.
    """
    files = sorted(path for path in staged.rglob("*") if path.is_file())
    _write(staged, {path.relative_to(staged).as_posix(): _entry(path) for path in files})
    final.parent.mkdir(parents=True, exist_ok=True)
    if final.exists():
        # A folder cannot be replaced in one step: the old one is moved aside first.
        old = staged.with_name(f"{staged.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        os.replace(final, old)
        os.replace(staged, final)
        shutil.rmtree(old, ignore_errors=True)
    else:
        os.replace(staged, final)
    return final


def intact(folder: Path, verify: bool = False) -> bool:
    """Whether every file of a folder's manifest is there and unchanged.

    Args:
        folder: The folder.
        verify: Hash every file, even where size and time agree.
    """
    try:
        entries = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        touched = False
        for name, entry in entries.items():
            path = folder / name
            stat = path.stat()
            if stat.st_size != entry["size"]:
                return False
            if verify or stat.st_mtime_ns != entry["mtime_ns"]:
                if sha256(path) != entry["sha256"]:
                    return False
                touched |= stat.st_mtime_ns != entry["mtime_ns"]
                entry["mtime_ns"] = stat.st_mtime_ns
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    if touched:
        # A copied cache: remember the new times. Where that is not allowed it is hashed again.
        with suppress(UnwritableError):
            _write(folder, entries)
    return True


def _entry(path: Path) -> dict[str, object]:
    stat = path.stat()
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": sha256(path)}


def _write(folder: Path, entries: dict[str, dict[str, object]]) -> None:
    write(folder / MANIFEST, json.dumps(entries, indent=1))
