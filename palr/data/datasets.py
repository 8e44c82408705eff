"""The data sets: where each comes from, how it is read, what it must count to.

To add one, add an entry to `DATASETS` and name its key in a `palr.domains.Domain`.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

from palr.data.dataset import Dataset, files_found, files_given, incomplete, layouts
from palr.data.download import download
from palr.data.interactions import CORE
from palr.data.movielens import (
    ML_100K,
    ML_100K_RECBOLE,
    ML_CSV,
    ML_DAT,
    read_ml_1m,
    read_ml_100k,
    read_ml_latest,
)
from palr.data.progress import Progress, silent
from palr.data.raw import RawDataset
from palr.data.readers import BEAUTY_FILES, read_beauty, read_starter
from palr.data.sources import DamagedFileError
from palr.errors import DataError
from palr.settings import Settings
from palr.text import visible

FORMAT = b"1"  # raise it when a reader changes what it returns, and catalogs are built anew
STARTER_CSV = Path(__file__).resolve().parents[2] / "assets" / "catalogs" / "beauty.csv"

_MOVIELENS = (
    'F. Maxwell Harper and Joseph A. Konstan. 2015. "The MovieLens Datasets: History and '
    'Context". ACM TiiS 5, 4.'
)
_MOVIELENS_LICENCE = (
    "GroupLens: research use; no redistribution or commercial use without permission"
)
_OTHER_RELEASES = (
    "the other releases of MovieLens, such as ml-10m and ml-25m, are installed as ml-latest-small: "
    "python -m palr data install ml-latest-small --from PATH"
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
            layouts=(("ml-1m.zip",), *layouts(ML_DAT, "ml-1m")),
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
                *layouts(ML_100K_RECBOLE, "ml-100k"),
                ("ml-100k.zip",),
                *layouts(ML_100K, "ml-100k"),
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
            layouts=(("ml-latest-small.zip",), *layouts(ML_CSV, "ml-latest-small")),
            given=(ML_DAT,),
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
        hint = f"; {_OTHER_RELEASES}" if key.startswith("ml-") else ""
        raise DataError(f"unknown data set {key!r}; choose one of: {', '.join(DATASETS)}{hint}")
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
                f"{f'; {_OTHER_RELEASES}' if dataset.domain == 'movies' else ''}"
            )
    return replace(raw, checksum=checksum(files))


def read_to_install(
    key: str, source: Path | None, settings: Settings, progress: Progress = silent
) -> RawDataset:
    """`read` a data set that is to replace an installed one.

    Raises:
        DataError: also where it has interactions, and too few for anything to be learnt from them.
    """
    raw = read(key, source, settings, progress)
    if raw.interactions is not None and not len(raw.interactions.core()):
        raise DataError(
            f"{get_dataset(key).label}: no users and items have {CORE} interactions each, so that "
            "nothing can be learnt from them; give the whole files. Nothing was installed"
        )
    return raw


def locate(key: str, source: Path | None, settings: Settings) -> tuple[Path, ...]:
    """The files that `read` would read, or () where it would have to fetch them.

    Arguments are those of `read`.
    """
    dataset = get_dataset(key)
    if source is not None:
        return files_given(dataset, source)
    if dataset.builtin is not None:
        return (dataset.builtin,) if dataset.builtin.is_file() else ()
    return files_found(dataset, [place for place in (settings.data, downloads(settings)) if place])


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


def _fetch(
    dataset: Dataset, source: Path | None, settings: Settings, progress: Progress
) -> tuple[Path, ...]:
    needed = " and ".join(dataset.layouts[0])
    install = f"python -m palr data install {dataset.key} --from PATH"
    if source is not None:
        raise DataError(
            f"{source} does not hold {dataset.label}: expected {needed}, in a folder or named "
            f"directly ({install}){incomplete(dataset, source)}"
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
