import csv
import gzip
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from palr.data.datasets import STARTER_CSV
from palr.data.readers import (
    RawDataset,
    read_beauty,
    read_ml_1m,
    read_ml_100k,
    read_ml_latest,
    read_starter,
)
from palr.errors import DataError

MOVIES = """1::Toy Story (1995)::Animation|Children's|Comedy
2::Matrix, The (1999)::Action|Sci-Fi|Thriller
3::Cité des enfants perdus, La (1995)::
"""
RATINGS = """1::2::5::978300760
1::1::3::978302109
2::1::4::978300000
2::77::4::978300001
"""


@pytest.fixture
def ml_1m(tmp_path: Path) -> Path:
    (tmp_path / "movies.dat").write_text(MOVIES, encoding="latin-1", newline="")
    (tmp_path / "ratings.dat").write_text(RATINGS, newline="")
    return tmp_path


def archive_of(folder: Path) -> Path:
    path = folder / "ml-1m.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("movies.dat", "ratings.dat"):
            archive.write(folder / name, f"ml-1m/{name}")
    return path


def rows(raw: RawDataset) -> list[tuple[str, str]]:
    log = raw.interactions
    assert log is not None
    return [(log.user_ids[u], log.item_ids[i]) for u, i in zip(log.users, log.items, strict=True)]


def test_movielens_1m(ml_1m: Path) -> None:
    raw = read_ml_1m(ml_1m)
    assert [item.label for item in raw.items] == [
        "Toy Story (1995)",
        "The Matrix (1999)",
        "La Cité des enfants perdus (1995)",
        "77",
    ]
    assert raw.items[0].keywords == ("animation", "children's", "comedy", "1990s")
    assert raw.items[1].keywords == ("action", "sci-fi", "thriller", "1990s")
    assert raw.items[2].keywords == ("1990s",)
    assert [item.popularity for item in raw.items] == [2, 1, 0, 1]
    assert rows(raw) == [("2", "1"), ("2", "77"), ("1", "2"), ("1", "1")]


def test_item_positions_are_interaction_indices(ml_1m: Path) -> None:
    raw = read_ml_1m(ml_1m)
    assert raw.interactions is not None
    assert raw.interactions.item_ids == tuple(item.id for item in raw.items)


def test_the_archive_reads_like_the_folder(ml_1m: Path) -> None:
    folder, archive = read_ml_1m(ml_1m), read_ml_1m(archive_of(ml_1m))
    assert archive.items == folder.items
    assert rows(archive) == rows(folder)


@pytest.mark.parametrize(
    ("name", "line", "number"),
    [
        ("movies.dat", "4::No genres", 4),
        ("ratings.dat", "1::1::5", 5),
        ("ratings.dat", "1::1::5::x", 5),
    ],
)
def test_a_malformed_line_is_named(ml_1m: Path, name: str, line: str, number: int) -> None:
    with (ml_1m / name).open("a", encoding="latin-1") as stream:
        stream.write(f"{line}\n")
    with pytest.raises(DataError, match=rf"{name}, line {number}: expected .*::.*'{line}'"):
        read_ml_1m(ml_1m)


def test_a_truncated_archive_is_named(ml_1m: Path) -> None:
    path = archive_of(ml_1m)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"ml-1m\.zip is damaged or was cut short"):
        read_ml_1m(path)


def test_a_flipped_bit_in_the_archive_is_noticed(ml_1m: Path) -> None:
    path = archive_of(ml_1m)
    data = bytearray(path.read_bytes())
    data[80] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"ml-1m\.zip is damaged"):
        read_ml_1m(path)


def test_a_missing_member_is_named(ml_1m: Path) -> None:
    (ml_1m / "ratings.dat").unlink()
    with pytest.raises(DataError, match=r"holds no ratings\.dat"):
        read_ml_1m(ml_1m)


def test_latin_1_line_separators_are_not_line_ends(ml_1m: Path) -> None:
    (ml_1m / "movies.dat").write_bytes(b"1::Wait\x85 Until Dark (1967)::Drama\n")
    assert read_ml_1m(ml_1m).items[0].label == "Wait Until Dark (1967)"


ITEMS_100K = """item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq
1\tToy Story\t1995\tAnimation Children's Comedy
267\tunkonwn\tunkonwn\tunknown
1412\tLand Before Time III: The Time of the Great Giving (1995)\tV\tAnimation Children's
12\tUsual Suspects, The\t1995\tCrime Thriller
13\tNo Year\t\t
"""


def test_recbole_movielens_100k(tmp_path: Path) -> None:
    (tmp_path / "ml-100k.item").write_text(ITEMS_100K, encoding="utf-8")
    (tmp_path / "ml-100k.inter").write_text(
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n196\t12\t3\t881250949\n"
    )
    raw = read_ml_100k(tmp_path)
    assert [(item.title, item.year) for item in raw.items] == [
        ("Toy Story", 1995),
        ("267", None),
        ("Land Before Time III: The Time of the Great Giving", 1995),
        ("The Usual Suspects", 1995),
        ("No Year", None),
    ]
    assert [item.keywords for item in raw.items[:2]] == [
        ("animation", "children's", "comedy", "1990s"),
        (),
    ]
    assert raw.items[4].keywords == ()
    assert rows(raw) == [("196", "12")]


MOVIES_CSV = """movieId,title,genres
1,Toy Story (1995),Adventure|Animation|Children
11,"American President, The (1995)",Comedy|Drama|Romance

7789,"11'09""01 - September 11 (2002)",Drama
176601,Black Mirror,(no genres listed)
"""
RATINGS_CSV = "userId,movieId,rating,timestamp\n1,11,4.0,964982703\n1,1,0.5,964981247\n"


@pytest.fixture
def ml_latest(tmp_path: Path) -> Path:
    folder = tmp_path / "ml-latest-small"
    folder.mkdir()
    (folder / "movies.csv").write_text(MOVIES_CSV, encoding="utf-8")
    (folder / "ratings.csv").write_text(RATINGS_CSV, encoding="utf-8")
    return folder


def test_movielens_latest(ml_latest: Path) -> None:
    raw = read_ml_latest(ml_latest)
    assert [(item.title, item.year) for item in raw.items] == [
        ("Toy Story", 1995),
        ("The American President", 1995),
        ("11'09\"01 - September 11", 2002),
        ("Black Mirror", None),
    ]
    assert raw.items[1].keywords == ("comedy", "drama", "romance", "1990s")
    assert raw.items[3].keywords == ()
    assert rows(raw) == [("1", "1"), ("1", "11")]


def test_movielens_latest_may_be_zipped_and_its_tags_are_not_read(ml_latest: Path) -> None:
    (ml_latest / "tags.csv").write_bytes(b"\xff not even text")
    path = ml_latest.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in ml_latest.iterdir():
            archive.write(file, f"ml-latest-small/{file.name}")
    assert read_ml_latest(path).items == read_ml_latest(ml_latest).items


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("movies.csv", "5,Too,Many,Commas", r"movies\.csv, line 7: expected movieId,title,genres"),
        ("movies.csv", '5,"Never closed,Drama', r"movies\.csv, line 7: unexpected end of data"),
        ("ratings.csv", "1,2,5", r"ratings\.csv, line 4: expected userId,.* got '1,2,5'"),
        ("ratings.csv", "1,2,5,soon", r"ratings\.csv, line 4: expected .* got '1,2,5,soon'"),
    ],
)
def test_a_malformed_row_is_named(ml_latest: Path, name: str, line: str, message: str) -> None:
    with (ml_latest / name).open("a") as stream:
        stream.write(f"{line}\n")
    with pytest.raises(DataError, match=message):
        read_ml_latest(ml_latest)


@pytest.mark.parametrize("name", ["movies.csv", "ratings.csv"])
def test_a_table_without_its_header_is_refused(ml_latest: Path, name: str) -> None:
    lines = (ml_latest / name).read_text().splitlines(keepends=True)
    (ml_latest / name).write_text("".join(lines[1:]))
    with pytest.raises(DataError, match=rf"{name}, line 1: expected"):
        read_ml_latest(ml_latest)


@pytest.mark.parametrize(
    ("name", "line", "number"),
    [
        ("ml-100k.item", "7\tTwo fields", 7),
        ("ml-100k.inter", "196\t12\t3", 3),
        ("ml-100k.inter", "196\t12\t3\tsoon", 3),
    ],
)
def test_a_malformed_line_of_movielens_100k_is_named(
    tmp_path: Path, name: str, line: str, number: int
) -> None:
    (tmp_path / "ml-100k.item").write_text(ITEMS_100K, encoding="utf-8")
    (tmp_path / "ml-100k.inter").write_text("user\titem\trating\ttime\n196\t12\t3\t881250949\n")
    with (tmp_path / name).open("a") as stream:
        stream.write(f"{line}\n")
    with pytest.raises(DataError, match=rf"{name}, line {number}: expected"):
        read_ml_100k(tmp_path)


@pytest.mark.parametrize("review", ["{", "7", '{"asin": "B1"}', '{"reviewerID": "A", "asin": "B"}'])
def test_a_malformed_review_is_named(tmp_path: Path, review: str) -> None:
    write_beauty(tmp_path, [{"asin": "B1"}])
    path = tmp_path / "reviews_Beauty_5.json.gz"
    path.write_bytes(path.read_bytes() + gzip.compress(f"{review}\n".encode()))
    with pytest.raises(DataError, match=r"reviews_Beauty_5\.json\.gz, line 4: expected a JSON"):
        read_beauty(tmp_path)


def write_beauty(folder: Path, meta: list[object]) -> None:
    reviews = [
        {"reviewerID": "A1", "asin": "B1", "overall": 5.0, "unixReviewTime": 2},
        {"reviewerID": "A1", "asin": "B2", "overall": 4.0, "unixReviewTime": 2},
        {"reviewerID": "A2", "asin": "B3", "overall": 4.0, "unixReviewTime": 1},
    ]
    with gzip.open(folder / "reviews_Beauty_5.json.gz", "wt") as stream:
        stream.writelines(json.dumps(review) + "\n" for review in reviews)
    with gzip.open(folder / "meta_Beauty.json.gz", "wt") as stream:
        stream.writelines(f"{product}\n" for product in meta)


def test_amazon_beauty(tmp_path: Path) -> None:
    write_beauty(
        tmp_path,
        [
            {
                "asin": "B1",
                "title": "Coco  Castile &amp; Shea Soap",
                "brand": "Kirk&#39;s",
                "categories": [["Beauty", "Bath & Body", "Soap"], ["Beauty", "Skin Care", "Soap"]],
                "price": 3.5,
            },
            {"asin": "B2", "categories": [["Beauty", *map(str, range(12))]]},
            {"asin": "NEVER-REVIEWED", "title": "In the official file only"},
        ],
    )
    raw = read_beauty(tmp_path)
    assert [item.label for item in raw.items] == ["Kirk's Coco Castile & Shea Soap", "B2", "B3"]
    assert raw.items[0].keywords == ("bath & body", "soap", "skin care")
    assert raw.items[1].keywords == tuple(map(str, range(8)))
    assert rows(raw) == [("A2", "B3"), ("A1", "B1"), ("A1", "B2")]


def test_beauty_may_lie_unpacked(tmp_path: Path) -> None:
    write_beauty(tmp_path, [{"asin": "B1", "title": "Soap"}])
    for path in list(tmp_path.glob("*.gz")):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert read_beauty(tmp_path).items[0].title == "Soap"


@pytest.mark.parametrize("meta", ["{'asin': ", "__import__('os').getcwd()", "7", "{'title': 'x'}"])
def test_metadata_is_never_executed_and_a_bad_line_is_named(tmp_path: Path, meta: str) -> None:
    write_beauty(tmp_path, [{"asin": "B1"}, meta])
    with pytest.raises(
        DataError, match=r"meta_Beauty\.json\.gz, line 2: expected a Python literal"
    ):
        read_beauty(tmp_path)


def test_truncated_reviews_are_named(tmp_path: Path) -> None:
    write_beauty(tmp_path, [{"asin": "B1"}])
    path = tmp_path / "reviews_Beauty_5.json.gz"
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(DataError, match=r"reviews_Beauty_5\.json\.gz is damaged or was cut short"):
        read_beauty(tmp_path)


def test_the_starter_catalog() -> None:
    raw = read_starter(STARTER_CSV)
    first = raw.items[0]
    assert first.label == "OPI Nail Lacquer, Big Apple Red, 0.5 fl oz"
    assert first.keywords == ("nails", "nail polish", "red", "creme", "glossy", "classic")
    assert raw.interactions is None
    assert len(raw.items) >= 600
    assert len({item.id for item in raw.items}) == len(raw.items)
    named = {(str(item.brand).casefold(), item.title.casefold()) for item in raw.items}
    assert len(named) == len(raw.items)


def test_every_starter_product_has_a_brand_a_category_and_keywords() -> None:
    with STARTER_CSV.open(encoding="utf-8", newline="") as stream:
        products = list(csv.DictReader(stream))
    assert all(product["brand"] and product["name"] for product in products)
    assert len({product["category"] for product in products}) >= 12
    assert all(3 <= len(product["keywords"].split(";")) <= 8 for product in products)


def test_a_short_csv_row_is_named(tmp_path: Path) -> None:
    path = tmp_path / "beauty.csv"
    path.write_text("id,brand,name,size,category,keywords\nPB1,OPI,Lacquer\n")
    with pytest.raises(DataError, match=r"beauty\.csv, line 2: expected id, brand"):
        read_starter(path)


def test_reading_is_deterministic(ml_1m: Path) -> None:
    first, second = read_ml_1m(ml_1m), read_ml_1m(ml_1m)
    assert first.items == second.items
    assert first.interactions is not None
    assert second.interactions is not None
    assert np.array_equal(first.interactions.items, second.interactions.items)
