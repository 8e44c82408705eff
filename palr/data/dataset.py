"""What is known of a data set, and where its files lie."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from palr.data.raw import RawDataset
from palr.errors import DataError


@dataclass(frozen=True)
class Dataset:
    """One data set.

    Attributes:
        key: Its name on the command line.
        domain: Key of its domain.
        label: Its name for people.
        reader: Reads the folder of its files, or its file where a layout has only one.
        layouts: Sets of files in which it may lie in a folder; the first that is complete is read.
        given: Further ones, read only where a person names the folder.
        urls: Official downloads, one for each file of the first layout; empty where there are none.
        citation: The publication to cite.
        licence: What its source allows.
        expected: Users, items and interactions after the 5-core (paper, Table 1), where fixed.
        official: The same before the 5-core; files that count otherwise are refused.
        builtin: Its file in this repository, where it is shipped.
    """

    key: str
    domain: str
    label: str
    reader: Callable[[Path], RawDataset]
    layouts: tuple[tuple[str, ...], ...]
    urls: tuple[str, ...]
    citation: str
    licence: str
    expected: tuple[int, int, int] | None = None
    official: tuple[int, int, int] | None = None
    builtin: Path | None = None
    given: tuple[tuple[str, ...], ...] = ()


def layouts(files: tuple[str, ...], folder: str) -> tuple[tuple[str, ...], ...]:
    """The files as they lie in a folder, or in this folder of it."""
    return files, tuple(f"{folder}/{name}" for name in files)


def files_found(dataset: Dataset, places: Sequence[Path]) -> tuple[Path, ...]:
    """The files of a data set in the first of the folders that has them all; () where none has."""
    return next(filter(None, (_files_at(place, dataset.layouts) for place in places)), ())


def files_given(dataset: Dataset, source: Path) -> tuple[Path, ...]:
    """The files of a data set where a person says that they are; () where they are not.

    Args:
        dataset: The data set.
        source: An archive, one of the files, their folder, or one that holds their folder.

    Raises:
        DataError: it cannot be read, or several folders in it have the files.
    """
    layouts = dataset.layouts + dataset.given
    try:
        if (files := _files_at(source, layouts)) or not source.is_dir():
            return files
        folders = sorted(path for path in source.iterdir() if path.is_dir())
        found = {folder: files for folder in folders if (files := _files_at(folder, layouts))}
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}") from error
    if len(found) > 1:
        raise DataError(
            f"{' and '.join(map(str, found))} all look like {dataset.label}; name one of them"
        )
    return next(iter(found.values()), ())


def _files_at(place: Path, layouts: Sequence[tuple[str, ...]]) -> tuple[Path, ...]:
    """The files of a layout in a folder, or one of which ``place`` is; () where one is absent."""
    for layout in layouts:
        if place.is_file():
            # A file is the archive itself, or names the folder that it lies in.
            named = len(layout) == 1 and place.suffix == Path(layout[0]).suffix
            files = (place,) if named else tuple(place.parent / name for name in layout)
        else:
            files = tuple(place / name for name in layout)
        if all(file.is_file() for file in files):
            return files
    return ()


def incomplete(dataset: Dataset, source: Path) -> str:
    """Which file of a layout is missing where another one of it is there."""
    folder = source if source.is_dir() else source.parent
    for layout in dataset.layouts:
        missing = [name for name in layout if not (folder / name).is_file()]
        there = [name for name in layout if name not in missing]
        if there and missing:
            return f"; there is {' and '.join(there)} but no {' and '.join(missing)}"
    return ""
