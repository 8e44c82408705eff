"""The data sets: where each comes from, how it is read, what it must count to.

To add one, add an entry to `DATASETS` and name its key in a `palr.domains.Domain`.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from palr.data.download import download
from palr.data.progress import Progress, silent
from palr.data.readers import (
    BEAUTY_FILES,
    RawDataset,
    read_beauty,
    read_ml_1m,
    read_ml_100k,
    read_ml_latest,
    read_starter,
)
from palr.data.sources import DamagedFileError
from palr.errors import DataError
from palr.settings import Settings
from palr.text import visible

FORMAT = b"1"  # raise it when a reader changes what it returns, and catalogs are built anew
STARTER_CSV = Path(__file__).resolve().parents[2] / "assets" / "catalogs" / "beauty.csv"


@dataclass(frozen=True)
class Dataset:
    """One data set.

    Attributes:
        key: Its name on the command line.
        domain: Key of its domain.
        label: Its name for people.
        reader: Reads the folder of its files, or its file where a layout has only one.
        layouts: Sets of files in which it may lie in a folder; the first that is complete is read.
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


_MOVIELENS = (
    'F. Maxwell Harper and Joseph A. Konstan. 2015. "The MovieLens Datasets: History and '
    'Context". ACM TiiS 5, 4.'
)
_MOVIELENS_LICENCE = (
    "GroupLens: research use; no redistribution or commercial use without permission"
)
_SNAP = "https://snap.stanford.edu/data/amazon/productGraph/categoryFiles/"

DATASETS: dict[str, Dataset] = {
    dataset.key: dataset
    for dataset in (
        Dataset(
            key="ml-1m",
            domain="movies",
            label="MovieLens-1M",
            reader=read_ml_1m,
            layouts=(
                ("ml-1m.zip",),
                ("ratings.dat", "movies.dat"),
                ("ml-1m/ratings.dat", "ml-1m/movies.dat"),
            ),
            urls=("https://files.grouplens.org/datasets/movielens/ml-1m.zip",),
            citation=_MOVIELENS,
            licence=_MOVIELENS_LICENCE,
            expected=(6040, 3416, 999611),
            official=(6040, 3706, 1000209),
        ),
        Dataset(
            key="ml-100k",
            domain="movies",
            label="MovieLens-100K",
            reader=read_ml_100k,
            layouts=(
                ("ml-100k.inter", "ml-100k.item"),
                ("ml-100k/ml-100k.inter", "ml-100k/ml-100k.item"),
            ),
            urls=(),
            citation=_MOVIELENS,
            licence=_MOVIELENS_LICENCE,
            expected=(943, 1349, 99287),
        ),
        Dataset(
            key="ml-latest-small",
            domain="movies",
            label="MovieLens latest small",
            reader=read_ml_latest,
            layouts=(
                ("ml-latest-small.zip",),
                ("ratings.csv", "movies.csv"),
                ("ml-latest-small/ratings.csv", "ml-latest-small/movies.csv"),
            ),
            urls=("https://files.grouplens.org/datasets/movielens/ml-latest-small.zip",),
            citation=_MOVIELENS,
            licence=_MOVIELENS_LICENCE,
        ),
        Dataset(
            key="beauty",
            domain="beauty",
            label="Amazon Beauty (2014)",
            reader=read_beauty,
            layouts=(
                BEAUTY_FILES,
                tuple(name.removesuffix(".gz") for name in BEAUTY_FILES),
            ),
            urls=tuple(_SNAP + name for name in BEAUTY_FILES),
            citation=(
                'Ruining He and Julian McAuley. 2016. "Ups and Downs: Modeling the Visual '
                'Evolution of Fashion Trends with One-Class Collaborative Filtering". WWW.'
            ),
            licence="research use; no licence is stated at the source",
            expected=(22363, 12101, 198502),
            official=(22363, 12101, 198502),
        ),
        Dataset(
            key="beauty-starter",
            domain="beauty",
            label="Starter beauty catalog",
            reader=read_starter,
            layouts=(("beauty.csv",),),
            urls=(),
            citation="Written by hand for PALR Studio; no purchase data.",
            licence="as the repository",
            builtin=STARTER_CSV,
        ),
    )
}


def dataset_name(key: str) -> str:
    """What people call a data set; one that is not known here, by its key."""
    return DATASETS[key].label if key in DATASETS else visible(key[:40])


def get_dataset(key: str) -> Dataset:
    """Look a data set up; raises DataError naming the known ones."""
    if key not in DATASETS:
        raise DataError(f"unknown data set {key!r}; choose one of: {', '.join(DATASETS)}")
    return DATASETS[key]


def downloads(settings: Settings) -> Path:
    """The folder that downloaded and unpacked data files are kept in."""
    return settings.home / "downloads"


def read(
    key: str, source: Path | None, settings: Settings, progress: Progress = silent
) -> RawDataset:
    """Read a data set, fetching its official files first where they are nowhere.

    Args:
        key: A key of `DATASETS`.
        source: The folder or file to read; else ``settings.data`` and the downloads are searched.
        settings: Where files may lie.
        progress: Is called with the bytes of a download.

    Raises:
        DataError: the key is unknown, files are missing and cannot be fetched, or they are damaged,
            malformed or not whole; the message says which and what to do.
    """
    files = locate(key, source, settings)
    if not files:
        files = _fetch(get_dataset(key), source, settings, progress)
    dataset = get_dataset(key)
    try:
        raw = dataset.reader(_readable(files))
    except DamagedFileError as error:
        raise DataError(f"{error}{_holds(dataset)}") from error
    if dataset.official and raw.interactions is not None:
        log = raw.interactions
        found = log.n_users, log.n_items, len(log)
        if found != dataset.official:
            raise DataError(
                f"{' and '.join(map(str, files))} hold {_counts(found)}, so something was cut "
                f"short or changed; fetch it again{_holds(dataset)}"
            )
    return replace(raw, checksum=checksum(files))


def locate(key: str, source: Path | None, settings: Settings) -> tuple[Path, ...]:
    """The files that `read` would read, or () where it would have to fetch them.

    Arguments are those of `read`.
    """
    dataset = get_dataset(key)
    if source is not None:
        places = [source]
    elif dataset.builtin is not None:
        places = [dataset.builtin]
    else:
        places = [place for place in (settings.data, downloads(settings)) if place is not None]
    for place in places:
        for layout in dataset.layouts:
            if place.is_file():
                # A file is the archive itself, or names the folder that it lies in.
                named = len(layout) == 1 and place.suffix == Path(layout[0]).suffix
                files = (place,) if named else tuple(place.parent / name for name in layout)
            else:
                files = tuple(place / name for name in layout)
            if all(file.is_file() for file in files):
                return files
    return ()


def checksum(files: tuple[Path, ...]) -> str:
    """SHA-256 over the files' bytes in turn, and over the version of the readers."""
    digest = hashlib.sha256(FORMAT)
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def stats(raw: RawDataset) -> tuple[int, int, int]:
    """Count users, items and interactions after the paper's preprocessing (Table 1).

    Raises:
        DataError: the data set has no interactions.
    """
    if raw.interactions is None:
        raise DataError(
            f"this data set has {len(raw.items)} items and no interactions, so there is nothing to "
            "count after preprocessing"
        )
    core = raw.interactions.core()
    return core.n_users, core.n_items, len(core)


def _counts(counts: tuple[int, int, int]) -> str:
    users, items, interactions = counts
    return f"{users:,} users, {items:,} items that they chose and {interactions:,} interactions"


def _holds(dataset: Dataset) -> str:
    if dataset.official is None:
        return ""
    return f" ({dataset.label} holds {_counts(dataset.official)})"


def _readable(files: tuple[Path, ...]) -> Path:
    """What a reader takes: the single file, or the folder that holds several."""
    return files[0] if len(files) == 1 else files[0].parent


def _incomplete(dataset: Dataset, source: Path) -> str:
    """Which file of a layout is missing where another one of it is there."""
    folder = source if source.is_dir() else source.parent
    for layout in dataset.layouts:
        missing = [name for name in layout if not (folder / name).is_file()]
        there = [name for name in layout if name not in missing]
        if there and missing:
            return f"; there is {' and '.join(there)} but no {' and '.join(missing)}"
    return ""


def _fetch(
    dataset: Dataset, source: Path | None, settings: Settings, progress: Progress
) -> tuple[Path, ...]:
    needed = " and ".join(dataset.layouts[0])
    install = f"python -m palr data install {dataset.key} --from PATH"
    if source is not None:
        raise DataError(
            f"{source} does not hold {dataset.label}: expected {needed}, in a folder or named "
            f"directly ({install}){_incomplete(dataset, source)}"
        )
    if not dataset.urls:
        raise DataError(
            f"{dataset.label} is not here: run `python -m palr setup`, or give a folder that holds "
            f"{needed} (`{install}`, or PALR_DATA)"
        )
    try:
        return tuple(
            download(url, downloads(settings) / name, progress)
            for url, name in zip(dataset.urls, dataset.layouts[0], strict=True)
        )
    except DataError as error:
        raise DataError(
            f"{error}. To install {dataset.label} without a network, fetch "
            f"{' and '.join(dataset.urls)} elsewhere and run `{install}`"
        ) from error
