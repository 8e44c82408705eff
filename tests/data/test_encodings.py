"""Files that were saved again by another program, and files that were once saved wrongly."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from palr.data.checks import is_garbled
from palr.data.readers import (
    RawDataset,
    read_beauty,
    read_ml_1m,
    read_ml_100k,
    read_ml_latest,
    read_starter,
)
from palr.errors import DataError
from palr.files import decoded

from . import layouts

LABELS = layouts.LABELS
ENCODINGS = ("utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-le", "utf-16-be")
MOVIELENS: dict[str, tuple[Callable[[Path], RawDataset], Callable[[str], layouts.Files]]] = {
    "dat": (read_ml_1m, layouts.dat),
    "csv": (read_ml_latest, layouts.csv),
    "100k": (read_ml_100k, layouts.ml_100k),
}


def labels(raw: RawDataset) -> list[str]:
    return [item.label for item in raw.items]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("layout", MOVIELENS)
def test_movies_read_alike_in_every_encoding(layout: str, encoding: str, tmp_path: Path) -> None:
    reader, files = MOVIELENS[layout]
    raw = reader(layouts.write(tmp_path, files(encoding)))
    assert labels(raw) == LABELS
    assert [item.popularity for item in raw.items] == [layouts.N_USERS] * len(LABELS)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_tables_may_have_other_separators_and_line_ends(
    delimiter: str, end: str, tmp_path: Path
) -> None:
    files = layouts.csv("cp1252", delimiter, end)
    assert labels(read_ml_latest(layouts.write(tmp_path, files))) == LABELS


def test_quotes_of_windows_are_kept_where_a_file_can_only_be_of_windows(tmp_path: Path) -> None:
    files = layouts.csv()
    movies = files["movies.csv"].decode().replace("Kite Season", "Kite’s Season – One")  # noqa: RUF001
    layouts.write(tmp_path, {**files, "movies.csv": movies.encode("cp1252")})
    assert labels(read_ml_latest(tmp_path))[-1] == "Kite’s Season – One (1994)"  # noqa: RUF001
    assert labels(read_ml_latest(tmp_path))[0] == LABELS[0]


def test_decoded_prefers_what_is_certain() -> None:
    assert decoded("é".encode()) == "é"
    assert decoded(b"\xe9") == "é"
    assert decoded(b"It\x92s") == "It’s"  # noqa: RUF001
    assert decoded(b"a\x85b") == "a\x85b"  # a line end in latin-1, and no text of Windows
    assert decoded(b"") == ""
    for content in (b"\xff\xfea", b"\xef\xbb\xbf\xe9", b"\x81\x8d"):
        with pytest.raises(UnicodeDecodeError):
            decoded(content)
    with pytest.raises(UnicodeDecodeError):
        decoded(b"\xe9", legacy=False)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_beauty_reads_alike_in_every_encoding_of_json(encoding: str, tmp_path: Path) -> None:
    raw = read_beauty(layouts.write(tmp_path, layouts.beauty(encoding=encoding)))
    assert raw.items[0].label == "Brünn & Co Élan vital, L' Soap"


def test_json_in_an_older_encoding_is_refused_by_its_line(tmp_path: Path) -> None:
    layouts.write(tmp_path, layouts.beauty(encoding="latin-1"))
    with pytest.raises(DataError, match=r"meta_Beauty\.json\.gz, line 1: the text is in no"):
        read_beauty(tmp_path)


SHAPES: dict[str, Callable[[dict[str, object]], object]] = {
    "paths of 2014": lambda made: made["categories"],
    "a list since 2018": lambda made: made["categories"][0],  # type: ignore[index]
}


@pytest.mark.parametrize("key", ["categories", "category"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("write", [str, json.dumps])
def test_categories_are_read_in_both_shapes_in_use(
    key: str, shape: str, write: Callable[[object], str], tmp_path: Path
) -> None:
    made = [product | {key: SHAPES[shape](product)} for product in layouts.products()]
    for product in made:
        if key == "category":
            del product["categories"]
    layouts.write(tmp_path, layouts.beauty([write(product) for product in made]))
    raw = read_beauty(tmp_path)
    assert [item.keywords for item in raw.items[:2]] == [
        ("bath & body", "kind 1"),
        ("bath & body", "kind 0"),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"categories": "Beauty"},
        {"categories": {"Beauty": 1}},
        {"categories": [["Beauty", 7]]},
        {"categories": [[["Beauty"]]]},
        {"title": ["Soap"]},
        {"title": 7},
        {"brand": {"name": "Brünn"}},
        {"asin": 3},
        {"asin": ["B3"]},
        {"asin": ""},
        {"title": "Half a \ud83d"},
    ],
    ids=str,
)
@pytest.mark.parametrize("write", [str, json.dumps])
def test_a_field_of_another_type_is_refused_by_its_line(
    wrong: dict[str, object], write: Callable[[object], str], tmp_path: Path
) -> None:
    made = layouts.products()
    made[2] |= wrong
    layouts.write(tmp_path, layouts.beauty([write(product) for product in made]))
    with pytest.raises(DataError, match=r"meta_Beauty\.json\.gz, line 3: expected a Python lit"):
        read_beauty(tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"reviewerID": 7},
        {"reviewerID": None},
        {"reviewerID": ""},
        {"asin": ["B1"]},
        {"unixReviewTime": "1370"},
        {"unixReviewTime": True},
        {"unixReviewTime": float("nan")},
        {"unixReviewTime": 10**400},
    ],
    ids=lambda wrong: str(wrong)[:30],
)
def test_a_review_of_another_type_is_refused_by_its_line(
    wrong: dict[str, object], tmp_path: Path
) -> None:
    layouts.write(tmp_path, layouts.beauty())
    (tmp_path / "reviews_Beauty_5.json.gz").unlink()
    review = {"reviewerID": "A1", "asin": "B1", "unixReviewTime": 1}
    lines = [json.dumps(review), json.dumps(review | wrong)]
    (tmp_path / "reviews_Beauty_5.json").write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"reviews_Beauty_5\.json, line 2: expected a JSON object"):
        read_beauty(tmp_path)


@pytest.mark.parametrize(
    ("layout", "name", "line", "number"),
    [
        ("dat", "ratings.dat", "1::1::good::5", 31),
        ("dat", "ratings.dat", "1::1::5::nan", 31),
        ("dat", "ratings.dat", "::1::5::5", 31),
        ("dat", "movies.dat", "::Nowhere (1990)::Drama", 6),
        ("csv", "ratings.csv", "1,,5,5", 32),
        ("csv", "ratings.csv", "1,1,inf,5", 32),
        ("100k", "u.data", "1\t1\tgood\t5", 31),
        ("100k", "u.item", "9|Nine (1990)|01-Jan-1990||x|0|1|2|0", 6),
        ("100k", "u.item", "9|Nine (1990)|01-Jan-1990||x|0|1|1", 6),
        ("100k", "u.genre", "Western|9", 6),
    ],
)
def test_a_field_that_is_no_number_or_no_id_is_refused_by_its_line(
    layout: str, name: str, line: str, number: int, tmp_path: Path
) -> None:
    reader, files = MOVIELENS[layout]
    layouts.write(tmp_path, files("utf-8"))
    with (tmp_path / name).open("a") as stream:
        stream.write(f"{line}\n")
    with pytest.raises(DataError, match=rf"{name}, line {number}: expected"):
        reader(tmp_path)


@pytest.mark.parametrize("write", [str, json.dumps])
def test_an_emoji_of_two_surrogates_is_one_character(
    write: Callable[[object], str], tmp_path: Path
) -> None:
    made = layouts.products()
    made[0]["title"] = "Sunny \ud83d\ude00 Soap"  # as Python 2 wrote it
    layouts.write(tmp_path, layouts.beauty([write(product) for product in made]))
    assert read_beauty(tmp_path).items[0].title == "Sunny 😀 Soap"


@pytest.mark.parametrize("then", ["latin-1", "cp1252", "cp437"])
@pytest.mark.parametrize("layout", MOVIELENS)
def test_titles_that_were_once_read_in_another_encoding_are_refused(
    layout: str, then: str, tmp_path: Path
) -> None:
    reader, files = MOVIELENS[layout]
    garbled = {name: file.decode(then).encode() for name, file in files("utf-8").items()}
    layouts.write(tmp_path, garbled)
    with pytest.raises(DataError, match=r"titles of 2 items are garbled, such as 'L'|\"L'"):
        reader(tmp_path)


def test_a_decoder_that_gave_up_is_noticed(tmp_path: Path) -> None:
    lost = {name: file.decode(errors="replace").encode() for name, file in layouts.dat().items()}
    with pytest.raises(DataError, match=r"movies\.dat: titles of 2 items are garbled"):
        read_ml_1m(layouts.write(tmp_path, lost))


@pytest.mark.parametrize(
    ("text", "garbled"),
    [
        ("Les MisÃ©rables", True),
        ("Ã‰lan vital", True),
        ("Ã bout de souffle", True),  # once a space that does not break
        ("Heatâ€”and Dust", True),
        ("Отец".encode().decode("cp1252"), True),
        ("七人".encode().decode("latin-1"), True),
        ("Les Misérables", False),
        ("Отец", False),
        ("七人", False),
        ("AMANHÃ e CAFÉ™", False),
        ("Ärger mit Åse", False),
        ("WEN® by Brünn", False),
    ],
)
def test_what_looks_garbled(text: str, garbled: bool) -> None:
    assert is_garbled(text) == garbled


def test_one_odd_title_among_many_refuses_no_data_set(tmp_path: Path) -> None:
    files = layouts.dat("utf-8")
    odd = files["movies.dat"].decode().replace("Kite Season", "Kite SÃ©ason")
    raw = read_ml_1m(layouts.write(tmp_path, {**files, "movies.dat": odd.encode()}))
    assert labels(raw)[-1] == "Kite SÃ©ason (1994)"


def starter(tmp_path: Path, keywords: list[str]) -> RawDataset:
    lines = ["id,brand,name,size,category,keywords"]
    lines += [f"P{at},Brünn,Soap {at},,Bath,{words}" for at, words in enumerate(keywords)]
    path = tmp_path / "beauty.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return read_starter(path)


def test_keywords_of_single_letters_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"beauty\.csv: keywords are single letters \(a, b, e, t, u"
    ):
        starter(tmp_path, ["b; e; a; u; t; y"])
    assert starter(tmp_path, ["爱; 剧"]).items[0].keywords == ("bath", "爱", "剧")
    assert starter(tmp_path, ["vitamin; e; c"]).items[0].keywords == ("bath", "vitamin", "e", "c")


def test_a_catalog_whose_items_all_have_the_same_keywords_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"beauty\.csv: all 30 items have the same keywords \(bath"):
        starter(tmp_path, ["soap; mild"] * 30)
    assert len(starter(tmp_path, ["soap"] * 29 + ["oil"]).items) == 30
    assert len(starter(tmp_path, ["soap"] * 5).items) == 5
