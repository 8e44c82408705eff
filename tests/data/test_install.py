"""``data install``: of every official layout, and of what is none, with nothing half installed."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from palr.__main__ import app
from palr.catalog.catalog import CatalogStore
from palr.data.raw import RawDataset
from palr.errors import DataError
from palr.settings import Settings

from . import layouts


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def install(home: Path, key: str, source: Path) -> None:
    arguments = ["data", "install", key, "--from", str(source)]
    result = CliRunner().invoke(app, arguments, env={"PALR_HOME": str(home), "PALR_DATA": ""})
    if result.exception:
        raise result.exception


def installed(home: Path, key: str) -> RawDataset:
    return CatalogStore(Settings(home=home).catalog_url).raw(key)


def folder(files: layouts.Files) -> Callable[[Path], Path]:
    return lambda root: layouts.write(root / "given", files)


def inner(files: layouts.Files, name: str) -> Callable[[Path], Path]:
    return lambda root: layouts.write(root / "given" / name, files).parent


def archive(files: layouts.Files, name: str, inside: str) -> Callable[[Path], Path]:
    return lambda root: layouts.zipped(root / name, files, inside)


SOURCES = {
    "ml-100k, a folder": ("ml-100k", folder(layouts.ml_100k())),
    "ml-100k, its parent": ("ml-100k", inner(layouts.ml_100k(), "ml-100k")),
    "ml-100k, unpacked twice": ("ml-100k", inner(layouts.ml_100k(), "ml-100k (1)")),
    "ml-100k.zip": ("ml-100k", archive(layouts.ml_100k(), "ml-100k.zip", "ml-100k/")),
    "ml-100k of RecBole": ("ml-100k", folder(layouts.recbole())),
    "ml-latest-small.zip": (
        "ml-latest-small",
        archive(layouts.csv(), "ml-latest-small.zip", "ml-latest-small/"),
    ),
    "ml-25m.zip": ("ml-latest-small", archive(layouts.csv(), "ml-25m.zip", "ml-25m/")),
    "ml-25m, its parent": ("ml-latest-small", inner(layouts.csv(), "ml-25m")),
    "no inner folder": ("ml-latest-small", archive(layouts.csv(), "mine.zip", "")),
    "backslashes": ("ml-latest-small", archive(layouts.csv(), "ml-25m.zip", "ml-25m\\")),
    "two inner folders": ("ml-latest-small", archive(layouts.csv(), "mine.zip", "a/b/")),
    "ml-10m.zip": ("ml-latest-small", archive(layouts.dat("utf-8"), "ml-10m.zip", "ml-10M100K/")),
    "ml-10m, a folder": ("ml-latest-small", folder(layouts.dat("utf-8"))),
}


@pytest.mark.parametrize("source", SOURCES)
def test_official_layouts_are_installed(source: str, home: Path, tmp_path: Path) -> None:
    key, place = SOURCES[source]
    install(home, key, place(tmp_path))
    raw = installed(home, key)
    assert [item.label for item in raw.items] == layouts.LABELS
    themes = [item.keywords[:-1] for item in raw.items]
    assert [sorted(theme) for theme in themes] == [sorted(words) for words in layouts.KEYWORDS]
    assert raw.interactions is not None
    assert len(raw.interactions) == len(layouts.PAIRS)
    assert raw.interactions.n_users == layouts.N_USERS


def test_a_copy_that_macos_put_into_an_archive_is_not_read(home: Path, tmp_path: Path) -> None:
    source = layouts.zipped(tmp_path / "ml-25m.zip", layouts.csv(), "ml-25m/")
    with zipfile.ZipFile(source, "a") as zipped:
        zipped.writestr("__MACOSX/ml-25m/movies.csv", b"\x00")
        zipped.writestr("__MACOSX/ml-25m/ratings.csv", b"\x00")
    install(home, "ml-latest-small", source)
    assert len(installed(home, "ml-latest-small").items) == len(layouts.FILMS)


def test_films_of_movielens_100k_for_video_and_without_a_title(home: Path, tmp_path: Path) -> None:
    files = dict(layouts.ml_100k())
    files["u.item"] += b"6|unknown||||1|0|0|0\n"
    files["u.item"] += b"7|Late Train, The (1997) (V)|02-May-1998||x|0|0|1|0\n"
    files["u.item"] += b"8|Dateless|03-May-1989||x|1|0|0|0\n"
    install(home, "ml-100k", layouts.write(tmp_path / "given", files))
    *_, unknown, video, dateless = installed(home, "ml-100k").items
    assert (unknown.label, unknown.keywords) == ("6", ())
    assert (video.label, video.keywords) == ("The Late Train (1997)", ("drama", "1990s"))
    assert (dateless.label, dateless.keywords) == ("Dateless (1989)", ("1980s",))


def test_several_folders_that_could_be_meant_are_named(home: Path, tmp_path: Path) -> None:
    for name in ("ml-25m", "ml-latest"):
        layouts.write(tmp_path / "all" / name, layouts.csv())
    with pytest.raises(DataError, match=r"ml-25m and .*ml-latest all look like .*name one of them"):
        install(home, "ml-latest-small", tmp_path / "all")
    both = layouts.zipped(tmp_path / "both.zip", layouts.csv(), "one/")
    with zipfile.ZipFile(both, "a") as zipped:
        for name, content in layouts.csv().items():
            zipped.writestr(f"two/{name}", content)
    with pytest.raises(DataError, match=r"more than one data set \(one/ and two/\); unpack it"):
        install(home, "ml-latest-small", both)


@pytest.mark.parametrize("key", ["ml-10m", "ml-25m"])
def test_other_releases_say_where_they_go(key: str, home: Path, tmp_path: Path) -> None:
    install_it = "python -m palr data install ml-latest-small --from PATH"
    with pytest.raises(DataError, match=f"unknown data set '{key}'.*{install_it}"):
        install(home, key, tmp_path)
    with pytest.raises(DataError, match=f"hold 6 users.*{install_it}"):
        install(home, "ml-1m", layouts.write(tmp_path / "10m", layouts.dat("utf-8")))


PAGE = b"<!DOCTYPE html>\n<html><title>Log in to the network</title></html>\n"
HEADER = b"movieId,title,genres\n"
GOOD = layouts.csv()
FEW = b"userId,movieId,rating,timestamp\n1,1,4.0,5\n2,1,4.0,6\n2,2,4.0,7\n"


def cut(root: Path) -> Path:
    path = layouts.zipped(root / "ml-25m.zip", GOOD, "ml-25m/")
    path.write_bytes(path.read_bytes()[:-40])
    return path


def locked(root: Path) -> Path:
    """An archive that says it needs a password."""
    path = layouts.zipped(root / "ml-25m.zip", GOOD, "ml-25m/")
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    return path


def page(name: str) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        (root / name).write_bytes(PAGE)
        return root / name

    return make


BAD = {
    "no films": (folder({**GOOD, "movies.csv": HEADER}), r"movies\.csv holds no items"),
    "an empty table": (folder({**GOOD, "movies.csv": b""}), r"movies\.csv, line 1: expected mov"),
    "blank lines": (folder({**GOOD, "movies.csv": b"\n\n"}), r"movies\.csv, line 1: expected mov"),
    "no ratings": (
        folder({**GOOD, "ratings.csv": FEW[: FEW.index(b"\n") + 1]}),
        r"ratings\.csv names no item of movies\.csv",
    ),
    "other films": (
        folder({**GOOD, "movies.csv": HEADER + b"77,Elsewhere (1990),Drama\n"}),
        r"ratings\.csv names no item of movies\.csv",
    ),
    "every line damaged": (
        folder({**GOOD, "movies.csv": HEADER + b"\x00\x01\x02\n" * 9}),
        r"movies\.csv, line 2: expected movieId",
    ),
    "too few users": (folder({**GOOD, "ratings.csv": FEW}), r"no users and items have 5 inter"),
    "other members": (
        archive({"a.csv": b"", "movies.csv": GOOD["movies.csv"]}, "mine.zip", "mine/"),
        r"mine\.zip holds no folder with ratings\.csv and movies\.csv or ",
    ),
    "no members": (archive({}, "mine.zip", ""), r"mine\.zip holds no folder with ratings\.csv"),
    "cut short": (cut, r"ml-25m\.zip is damaged or was cut short .*; delete it and fetch it again"),
    "a password": (locked, r"ml-25m\.zip: .*password.*; unpack it, and give the folder"),
    "a web page": (page("ml-25m.zip"), r"ml-25m\.zip is a web page and not the file that it"),
    "nothing": (lambda root: root / "absent", r"absent does not hold MovieLens latest small"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_serve_is_refused_and_leaves_the_catalog_as_it_was(
    case: str, home: Path, tmp_path: Path
) -> None:
    place, message = BAD[case]
    install(home, "ml-latest-small", layouts.write(tmp_path / "before", GOOD))
    database = home / "catalog.db"
    before = database.read_bytes()
    with pytest.raises(DataError, match=message) as caught:
        install(home, "ml-latest-small", place(tmp_path))
    assert "\n" not in str(caught.value)
    assert database.read_bytes() == before
    assert [path.name for path in home.iterdir()] == ["catalog.db"]
    assert len(installed(home, "ml-latest-small").items) == len(layouts.FILMS)


def test_metadata_of_none_of_the_reviewed_products_is_refused(home: Path, tmp_path: Path) -> None:
    meta = [str({"asin": "OTHER", "title": "Soap"})]
    with pytest.raises(DataError, match=r"meta_Beauty\.json\.gz holds no items"):
        install(home, "beauty", layouts.write(tmp_path / "given", layouts.beauty(meta)))
    assert not (home / "catalog.db").exists()


def test_a_web_page_under_the_name_of_a_gzip_file_is_named(home: Path, tmp_path: Path) -> None:
    files = {**layouts.beauty(), "meta_Beauty.json.gz": PAGE}
    with pytest.raises(DataError, match=r"meta_Beauty\.json\.gz is a web page and not the file"):
        install(home, "beauty", layouts.write(tmp_path / "given", files))
