"""Text out of folders, zip archives and gzip files, with errors that name the place."""

import csv
import gzip
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from palr.errors import DataError
from palr.files import decoded

_BROKEN = (
    *(zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError),
    *(EOFError, ValueError, OverflowError, struct.error),
)


class DamagedFileError(DataError):
    """An archive is cut short or otherwise not intact."""


def malformed(name: str, line: int, expected: str, got: str) -> DataError:
    """The error for one line that does not parse."""
    shown = got if len(got) <= 80 else f"{got[:77]}..."
    return DataError(f"{name}, line {line}: expected {expected}, got {shown!r}")


@dataclass(frozen=True)
class Place:
    """Where the files of a data set lie: a folder, or a zip archive and a folder in it.

    The methods raise DamagedFileError where an archive is damaged or was cut short, and DataError
    where a file is missing, unreadable, or no text.
    """

    source: Path
    inner: str = ""

    def lines(self, name: str, legacy: bool = True) -> Iterator[tuple[int, str]]:
        """Lines of a text file with their numbers, from 1; blank lines are left out.

        Args:
            name: The file; where it ends in ``.gz`` it is unpacked.
            legacy: Whether it may be in an encoding older than UTF-8 (`palr.files.decoded`).
        """
        content = self._content(name)
        try:
            text = decoded(content, legacy=legacy)
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise DataError(
                f"{self._path(name)}, line {line}: the text is in no encoding known here "
                f"({error.reason}); save it as UTF-8, or fetch it again"
            ) from error
        # Not str.splitlines: in latin-1 text it would also break lines at 0x85 and 0x1c.
        end = "\n" if "\n" in text else "\r"
        start = number = 0
        while start < len(text):
            number += 1
            stop = text.find(end, start) % (len(text) + 1)  # -1, not found, is the end
            if text[start:stop].strip():
                yield number, text[start:stop].rstrip("\r")
            start = stop + 1

    def rows(self, name: str, columns: str) -> Iterator[tuple[int, list[str]]]:
        """Rows of a CSV file below its header, each with the number of its last line.

        Commas, semicolons or tabs part them, whichever the header has.

        Args:
            name: The file.
            columns: What the header says, with commas; each row has as many fields.

        Raises:
            DataError: also a row of another kind or a quotation that is not closed, by its line.
        """
        names = columns.replace(" ", "").split(",")
        numbered = self.lines(name)
        at, header = next(numbered, (1, ""))
        number = at  # blank lines are left out, so the reader's own count would lag behind

        def lines() -> Iterator[str]:
            nonlocal number
            yield f"{header}\n"
            for number, line in numbered:  # noqa: B007
                yield f"{line}\n"

        delimiter = max(",;\t", key=header.count)
        try:
            for fields in csv.reader(lines(), strict=True, delimiter=delimiter):
                if len(fields) != len(names) or (number == at and fields != names):
                    raise malformed(name, number, columns, delimiter.join(fields))
                if number > at:
                    yield number, fields
        except csv.Error as error:
            raise DataError(f"{name}, line {number}: {error}") from error

    def holds(self, name: str) -> bool:
        """Whether the file is there."""
        if self.source.is_dir():
            return (self.source / name).is_file()
        return self.inner + name in _names(self.source)

    def _path(self, name: str) -> str:
        return f"{self.source}/{self.inner}{name}"

    def _content(self, name: str) -> bytes:
        path = self.source / name if self.source.is_dir() else self.source
        try:
            if path == self.source:
                with zipfile.ZipFile(path) as archive:
                    return archive.read(self.inner + name)
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
                return stream.read()
        except (FileNotFoundError, KeyError) as error:
            raise DataError(f"{self.source} holds no {self.inner}{name}") from error
        except _BROKEN as error:
            raise _damaged(path, error) from error
        except RuntimeError as error:  # encrypted, or packed in a way that zipfile does not know
            raise DataError(f"{path}: {error}; unpack it, and give the folder") from error
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


Layout = tuple[str, ...]


def place_of(source: Path, *layouts: Layout) -> tuple[Place, Layout]:
    """Where a data set lies in a folder or a zip archive, and which of its layouts it has.

    In an archive its folder may have any name.

    Args:
        source: A folder or a zip archive.
        layouts: Sets of files; the first that is complete is meant, in a folder else the first.

    Raises:
        DamagedFileError: the archive is damaged or was cut short.
        DataError: no set is complete, or there are several of one kind.
    """
    if source.is_dir():
        place = Place(source)
        return place, next((each for each in layouts if all(map(place.holds, each))), layouts[0])
    names = _names(source)
    for layout in layouts:
        inner = [name.removesuffix(layout[0]) for name in names if _is_named(name, layout[0])]
        found = [folder for folder in inner if names >= {folder + name for name in layout}]
        if len(found) > 1:
            raise DataError(
                f"{source} holds more than one data set ({' and '.join(sorted(found))}); unpack "
                "it, and give the folder of one"
            )
        if found:
            return Place(source, found[0]), layout
    wanted = " or ".join(" and ".join(layout) for layout in layouts)
    raise DataError(f"{source} holds no folder with {wanted}; fetch the official file")


def _is_named(path: str, name: str) -> bool:
    """Whether a member of an archive is this file, in whatever folder."""
    # macOS adds members of its own, which hold no data; old programs of Windows write backslashes.
    folder, _, last = path.replace("\\", "/").rpartition("/")
    return last == name and not folder.startswith("__MACOSX")


def _names(source: Path) -> set[str]:
    try:
        with zipfile.ZipFile(source) as archive:
            return set(archive.namelist())
    except FileNotFoundError as error:
        raise DataError(f"{source} does not exist") from error
    except (*_BROKEN, RuntimeError) as error:
        raise _damaged(source, error) from error
    except OSError as error:
        raise DataError(f"{source} cannot be read: {error.strerror or error}") from error


def _damaged(path: Path, error: Exception) -> DamagedFileError:
    with path.open("rb") as stream:
        page = stream.read(256).lstrip().startswith(b"<")
    what = "a web page and not the file that it should be" if page else "damaged or was cut short"
    return DamagedFileError(f"{path} is {what} ({error}); delete it and fetch it again")
