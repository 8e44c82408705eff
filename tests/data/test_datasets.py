import shutil
from pathlib import Path

import pytest

from palr.data.datasets import DATASETS, STARTER_CSV, checksum, get_dataset, locate, read, stats
from palr.domains import DOMAINS
from palr.errors import DataError
from palr.settings import Settings


@pytest.fixture
def empty(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def test_every_data_set_of_a_domain_is_known_and_the_reverse() -> None:
    named = {(key, domain.key) for domain in DOMAINS.values() for key in domain.datasets}
    assert named == {(dataset.key, dataset.domain) for dataset in DATASETS.values()}


@pytest.mark.parametrize("key", ["ml-1m", "beauty"])
def test_the_official_data_count_as_in_the_paper(
    key: str, official_data: Path, empty: Settings
) -> None:
    raw = read(key, official_data, empty)
    assert stats(raw) == DATASETS[key].expected


def test_movielens_100k_out_of_the_wheel(settings: Settings) -> None:
    assert stats(read("ml-100k", None, settings)) == DATASETS["ml-100k"].expected


def test_the_starter_has_nothing_to_count(empty: Settings) -> None:
    raw = read("beauty-starter", None, empty)
    with pytest.raises(DataError, match="811 items and no interactions"):
        stats(raw)


def test_an_unknown_key_names_the_known_ones() -> None:
    with pytest.raises(
        DataError, match="'ml-20m'; choose one of: ml-1m, ml-100k, ml-latest-small, beauty"
    ):
        get_dataset("ml-20m")


def write_ml_100k(folder: Path, title: str = "Heat") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ml-100k.item").write_text(f"id\ttitle\tyear\tclass\n1\t{title}\t1995\tCrime\n")
    (folder / "ml-100k.inter").write_text("user\titem\trating\ttime\n1\t1\t5\t0\n")


def test_a_given_source_comes_before_the_setting_and_that_before_the_cache(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", data=tmp_path / "data")
    write_ml_100k(settings.home / "downloads" / "ml-100k", "Cached")
    assert read("ml-100k", None, settings).items[0].title == "Cached"
    write_ml_100k(tmp_path / "data", "Set")
    assert read("ml-100k", None, settings).items[0].title == "Set"
    write_ml_100k(tmp_path / "given", "Given")
    assert read("ml-100k", tmp_path / "given", settings).items[0].title == "Given"
    one_file = tmp_path / "given" / "ml-100k.inter"
    assert read("ml-100k", one_file, settings).items[0].title == "Given"


def test_a_source_without_the_files_says_what_is_expected(tmp_path: Path, empty: Settings) -> None:
    with pytest.raises(
        DataError,
        match=r"does not hold Amazon Beauty.*reviews_Beauty_5\.json\.gz and meta_Beauty\.json\.gz"
        r".*python -m palr data install beauty --from PATH",
    ):
        read("beauty", tmp_path, empty)


@pytest.mark.parametrize(
    ("key", "there", "missing"),
    [
        ("ml-1m", "movies.dat", "ratings.dat"),
        ("ml-100k", "ml-100k.item", "ml-100k.inter"),
        ("ml-latest-small", "ratings.csv", "movies.csv"),
        ("beauty", "reviews_Beauty_5.json.gz", "meta_Beauty.json.gz"),
    ],
)
def test_a_folder_with_one_file_missing_is_refused(
    tmp_path: Path, empty: Settings, key: str, there: str, missing: str
) -> None:
    (tmp_path / there).write_text("")
    with pytest.raises(DataError, match=f"does not hold .*; there is {there} but no {missing}"):
        read(key, tmp_path, empty)


def write_ml_1m(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "movies.dat").write_text("1::Heat (1995)::Crime\n")
    (folder / "ratings.dat").write_text("1::1::5::0\n")


def test_files_that_do_not_count_as_the_official_ones_are_refused(
    tmp_path: Path, empty: Settings
) -> None:
    write_ml_1m(tmp_path)
    with pytest.raises(
        DataError,
        match=r"ratings\.dat and .*movies\.dat hold 1 users, 1 items that they chose and 1 inter"
        r".*holds 6,040 users, 3,706 items that they chose and 1,000,209 interactions",
    ):
        read("ml-1m", tmp_path, empty)


def test_a_truncated_archive_names_what_it_should_hold(tmp_path: Path, empty: Settings) -> None:
    write_ml_1m(tmp_path / "ml-1m")
    archive = Path(shutil.make_archive(str(tmp_path / "ml-1m"), "zip", tmp_path, "ml-1m"))
    archive.write_bytes(archive.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"damaged or was cut short.*1,000,209 interactions"):
        read("ml-1m", archive, empty)


@pytest.mark.parametrize("zipped", [False, True])
def test_movielens_latest_is_found_in_a_folder_or_zipped(
    tmp_path: Path, empty: Settings, zipped: bool
) -> None:
    folder = tmp_path / "ml-latest-small"
    folder.mkdir()
    (folder / "movies.csv").write_text('movieId,title,genres\n1,"Heat, The (1995)",Crime\n')
    (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,1,5,0\n")
    source = tmp_path
    if zipped:
        source = Path(shutil.make_archive(str(folder), "zip", tmp_path, "ml-latest-small"))
        shutil.rmtree(folder)
    raw = read("ml-latest-small", source, empty)
    assert raw.items[0].label == "The Heat (1995)"


def test_a_missing_embedded_data_set_points_to_setup(empty: Settings) -> None:
    with pytest.raises(DataError, match=r"python -m palr setup.*ml-100k\.inter and ml-100k\.item"):
        read("ml-100k", None, empty)


def test_without_a_network_the_message_says_what_to_fetch(
    empty: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A proxy that nobody runs: the connection is really refused.
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(
        DataError,
        match=r"cannot be downloaded.*ml-1m\.zip elsewhere.*palr data install ml-1m --from PATH",
    ):
        read("ml-1m", None, empty)
    assert not list((empty.home / "downloads").glob("*.zip"))


def test_the_checksum_is_of_the_contents(tmp_path: Path, empty: Settings) -> None:
    copy = tmp_path / "copy.csv"
    shutil.copy(STARTER_CSV, copy)
    assert checksum((copy,)) == read("beauty-starter", None, empty).checksum
    copy.write_bytes(copy.read_bytes() + b"\n")
    assert checksum((copy,)) != read("beauty-starter", None, empty).checksum


def test_locate_finds_nothing_in_an_empty_home(empty: Settings) -> None:
    assert locate("ml-1m", None, empty) == ()
    assert locate("beauty-starter", None, empty) == (STARTER_CSV,)
