"""Lines of text out of folders, zip archives and gzip files, with errors that name the place."""

import csv
import gzip
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from palr.errors import DataError


class DamagedFileError(DataError):
    """An archive is cut short or otherwise not intact."""


def malformed(name: str, line: int, expected: str, got: str) -> DataError:
    """The error for one line that does not parse."""
    shown = got if len(got) <= 80 else f"{got[:77]}..."
    return DataError(f"{name}, line {line}: expected {expected}, got {shown!r}")


def table_lines(source: Path, member: str, encoding: str) -> Iterator[tuple[int, str]]:
    """The lines of a text file with their numbers, from 1; blank lines are left out.

    Args:
        source: A folder or a zip archive.
        member: The file in it.
        encoding: The file's encoding.

    Raises:
        DamagedFileError: the archive is damaged or was cut short.
        DataError: the file is missing or unreadable, or the text is not in ``encoding``.
    """
    where = f"{source.name}/{member}"
    try:
        if source.is_dir():
            data = (source / member).read_bytes()
        else:
            with zipfile.ZipFile(source) as archive:
                data = archive.read(member)
        text = data.decode(encoding)
    except (FileNotFoundError, KeyError) as error:
        raise DataError(f"{source} holds no {member}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DamagedFileError(
            f"{source} is damaged or was cut short ({error}); fetch it again"
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{where} is not {encoding} text ({error.reason})") from error
    except OSError as error:
        raise DataError(f"{source} cannot be read: {error.strerror or error}") from error
    # Not str.splitlines: in latin-1 text it would also break lines at 0x85 and 0x1c.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line.rstrip("\r")


def csv_rows(source: Path, member: str) -> Iterator[tuple[int, list[str]]]:
    """Rows of a UTF-8 CSV ``member``, each with the number of its last line.

    Raises:
        DataError: as `table_lines`; also a quotation that is not closed, named by its line.
    """
    numbers = [0]  # blank lines are left out, so the reader's own count would lag behind

    def lines() -> Iterator[str]:
        for number, line in table_lines(source, member, "utf-8"):
            numbers[0] = number
            yield line

    rows = csv.reader(lines(), strict=True)
    try:
        for fields in rows:
            yield numbers[0], fields
    except csv.Error as error:
        raise DataError(f"{Path(member).name}, line {numbers[0]}: {error}") from error


def gzip_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines of a gzip (or, without the ``.gz`` suffix, plain) UTF-8 file.

    Raises:
        DamagedFileError: the file is damaged or was cut short.
        DataError: the file is missing or not UTF-8.
    """
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield number, line.decode("utf-8").rstrip("\r\n")
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist") from error
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DamagedFileError(
            f"{path} is damaged or was cut short ({error}); fetch it again"
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({error.reason})") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
