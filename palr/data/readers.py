"""Readers of the data sets' official formats; each gives the same `RawDataset`.

One line of each:

- MovieLens-1M and -10M ``ratings.dat``: ``1::1193::5::978300760``; ``movies.dat``:
  ``1::Toy Story (1995)::Animation|Children's|Comedy``
- MovieLens-100K ``u.data``, tab-separated: ``196  242  3  881250949``; ``u.item``: ``1|Toy Story
  (1995)|01-Jan-1995||http://...|0|0|0|1|...``, a 1 for each genre of ``u.genre``: ``Animation|3``
- the same as RecBole ships it, tab-separated: ``ml-100k.item``: ``1  Toy Story  1995  Animation
  Children's Comedy``; ``ml-100k.inter``: ``196  242  3  881250949``
- MovieLens since 20M ``movies.csv``: ``11,"American President, The (1995)",Comedy|Drama|Romance``;
  ``ratings.csv``: ``1,11,4.0,964982703``, both with a header; ``tags.csv`` is not read
- Amazon 2014 ``reviews_Beauty_5.json.gz``: one JSON object a line; ``meta_Beauty.json.gz``: one
  Python literal a line, ``{'asin': '...', 'title': '...', 'categories': [['Beauty', ...]]}``;
  since 2018 it is JSON with a flat list
- the starter catalog: ``id,brand,name,size,category,keywords`` as CSV

Text may be in any encoding that `palr.files.decoded` tells apart; JSON is UTF-8 or UTF-16.
"""

import ast
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from palr.data.raw import RawDataset, Rows, checked_id, number, raw_dataset
from palr.data.sources import Place, malformed, place_of
from palr.data.titles import clean, split_title
from palr.types import Item

__all__ = [
    "RawDataset",
    "read_beauty",
    "read_ml_1m",
    "read_ml_100k",
    "read_ml_latest",
    "read_starter",
]

# Who chose what, then the items.
ML_DAT = ("ratings.dat", "movies.dat")
ML_CSV = ("ratings.csv", "movies.csv")
ML_100K = ("u.data", "u.item", "u.genre")
ML_100K_RECBOLE = ("ml-100k.inter", "ml-100k.item")
BEAUTY_FILES = ("reviews_Beauty_5.json.gz", "meta_Beauty.json.gz")
MAX_CATEGORIES = 8
MOVIE_COLUMNS = "movieId,title,genres"
RATING_COLUMNS = "userId,movieId,rating,timestamp"
STARTER_COLUMNS = "id, brand, name, size, category, keywords"
_NO_VALUE = {
    "",
    "unknown",
    "unkonwn",
    "(no genres listed)",
}  # the third is how RecBole's file spells it
_VIDEO = re.compile(r"\s*\((?:V|TV)\)\s*$")  # stands after the year in MovieLens-100K
# The last three where a literal is nested too deep, or a number too large.
_UNFIT = (
    *(ValueError, LookupError, TypeError, SyntaxError),
    *(MemoryError, RecursionError, OverflowError),
)
_Entry = TypeVar("_Entry", str, list[str])


def read_ml_1m(source: Path) -> RawDataset:
    """MovieLens-1M or -10M, out of its zip archive or its folder; keywords are genres and decade.

    Raises:
        DataError: see `palr.data.sources` and `palr.data.checks`; also a malformed line, named by
            file and number.
    """
    place, _ = place_of(source, ML_DAT)
    items: list[Item] = []
    rows = Rows()

    def movie(line: str) -> None:
        id, title, genres = line.split("::")
        items.append(_movie(id, title, genres.split("|")))

    _each(place.lines("movies.dat"), movie, "movies.dat", "MovieID::Title::Genres")
    expected = "UserID::MovieID::Rating::Timestamp"
    _each(place.lines("ratings.dat"), _rating(rows, "::"), "ratings.dat", expected)
    return raw_dataset("movies.dat", items, "ratings.dat", rows)


def read_ml_100k(source: Path) -> RawDataset:
    """MovieLens-100K, out of its zip archive or its folder; or a folder as RecBole ships it.

    Raises:
        DataError: as `read_ml_1m`.
    """
    place, layout = place_of(source, ML_100K_RECBOLE, ML_100K)
    read_items = _recbole_items if layout == ML_100K_RECBOLE else _items_100k
    items = read_items(place)
    rows = Rows()
    lines = place.lines(layout[0])
    expected = "user, item, rating and timestamp"
    if layout == ML_100K_RECBOLE:
        lines = _below_header(lines, layout[0], expected)
    _each(lines, _rating(rows, "\t"), layout[0], expected)
    return raw_dataset(layout[1], items, layout[0], rows)


def read_ml_latest(source: Path) -> RawDataset:
    """MovieLens as CSV, as it is published since 20M; or 10M, which `read_ml_1m` reads.

    Raises:
        DataError: as `read_ml_1m`.
    """
    place, layout = place_of(source, ML_CSV, ML_DAT)
    if layout == ML_DAT:
        return read_ml_1m(source)
    items: list[Item] = []
    rows = Rows()

    def movie(fields: list[str]) -> None:
        items.append(_movie(fields[0], fields[1], fields[2].split("|")))

    ratings, movies = ML_CSV
    _each(place.rows(movies, MOVIE_COLUMNS), movie, movies, MOVIE_COLUMNS)
    _each(place.rows(ratings, RATING_COLUMNS), _rating(rows), ratings, RATING_COLUMNS)
    return raw_dataset(movies, items, ratings, rows)


def read_beauty(source: Path) -> RawDataset:
    """Amazon Beauty (2014): a folder with the 5-core reviews and the products' metadata.

    The official metadata covers far more products than the 5-core; only reviewed ones are kept.

    Raises:
        DataError: as `read_ml_1m`.
    """
    place = Place(source)
    reviews, meta = (_plain_or_gz(place, name) for name in BEAUTY_FILES)
    items: list[Item] = []
    rows = Rows()

    def review(line: str) -> None:
        told = json.loads(line)
        rows.add(told["reviewerID"], told["asin"], told["unixReviewTime"])

    def product(line: str) -> None:
        told = _literal(line)
        if checked_id(told["asin"]) in reviewed:
            items.append(_product(told))

    expected = "a JSON object with reviewerID, asin and unixReviewTime"
    _each(place.lines(reviews, legacy=False), review, reviews, expected)
    reviewed = set(rows.items)
    expected = "a Python literal or JSON object with asin, title, brand and categories, all text"
    _each(place.lines(meta, legacy=False), product, meta, expected)
    return raw_dataset(meta, items, reviews, rows)


def read_starter(source: Path) -> RawDataset:
    """The starter beauty catalog; it has no interactions.

    Raises:
        DataError: as `read_ml_1m`.
    """
    items: list[Item] = []
    rows = Place(source.parent).rows(source.name, STARTER_COLUMNS)
    _each(rows, lambda row: items.append(_starter_product(row)), source.name, STARTER_COLUMNS)
    return raw_dataset(source.name, items)


def _each(
    entries: Iterator[tuple[int, _Entry]],
    use: Callable[[_Entry], None],
    name: str,
    expected: str,
) -> None:
    """Use every line or row of a file; DataError names the one that does not fit."""
    for at, entry in entries:
        try:
            use(entry)
        except _UNFIT as error:
            shown = entry if isinstance(entry, str) else ",".join(entry)
            raise malformed(name, at, expected, shown) from error


def _below_header(
    lines: Iterator[tuple[int, str]], name: str, expected: str
) -> Iterator[tuple[int, str]]:
    """The lines after the first, which has four fields as they have."""
    at, header = next(lines, (1, ""))
    if header.count("\t") != 3:
        raise malformed(name, at, expected, header)
    yield from lines


def _rating(rows: Rows, separator: str = "") -> Callable[[str | list[str]], None]:
    """What adds a row, or a line whose fields are separated so."""

    def add(entry: str | list[str]) -> None:
        user, item, stars, time = entry.split(separator) if isinstance(entry, str) else entry
        number(stars)  # not kept: every rating becomes 1
        rows.add(user, item, number(time))

    return add


def _items_100k(place: Place) -> list[Item]:
    genres: list[str] = []
    items: list[Item] = []

    def genre(line: str) -> None:
        name, at = line.split("|")
        if int(at) != len(genres):
            raise ValueError
        genres.append(name)

    def movie(line: str) -> None:
        id, title, released, _, _, *flags = line.split("|")
        if len(flags) != len(genres) or set(flags) - {"0", "1"}:
            raise ValueError
        named = (genre for genre, flag in zip(genres, flags, strict=True) if flag == "1")
        items.append(_movie(id, _VIDEO.sub("", title), named, _year(released[-4:])))

    _each(place.lines("u.genre"), genre, "u.genre", "a genre and its number, counted from 0")
    _each(
        place.lines("u.item"),
        movie,
        "u.item",
        f"id|title|release date|video release date|URL and {len(genres)} times 0 or 1",
    )
    return items


def _recbole_items(place: Place) -> list[Item]:
    name, expected = ML_100K_RECBOLE[1], "id, title, year and genres"
    items: list[Item] = []

    def movie(line: str) -> None:
        id, title, year, genres = line.split("\t")
        items.append(_movie(id, title, genres.split(" "), _year(year)))

    _each(_below_header(place.lines(name), name, expected), movie, name, expected)
    return items


def _movie(id: str, title: str, genres: Iterable[str], released: int | None = None) -> Item:
    title, year = split_title(title)
    year = year or released
    named = [genre.strip().lower() for genre in genres]
    keywords = _distinct(genre for genre in named if genre not in _NO_VALUE)
    if year:
        keywords = (*keywords, f"{year // 10 * 10}s")
    known = title if title.lower() not in _NO_VALUE else id
    return Item(checked_id(id), known, year=year, keywords=keywords)


def _year(text: str) -> int | None:
    return int(text) if re.fullmatch("[0-9]{4}", text) else None


def _literal(line: str) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except ValueError:
        told = ast.literal_eval(line)
    if not isinstance(told, dict):
        raise TypeError
    return told


def _product(told: dict[str, Any]) -> Item:
    # Paths of categories in 2014, one list of them since 2018.
    listed = told.get("categories") or told.get("category") or []
    if not isinstance(listed, list):
        raise TypeError
    parts = [part for entry in listed for part in (entry if isinstance(entry, list) else [entry])]
    categories = (_text(part).lower() for part in parts)
    return Item(
        told["asin"],
        _text(told.get("title")) or told["asin"],
        brand=_text(told.get("brand")) or None,
        keywords=_distinct(part for part in categories if part != "beauty")[:MAX_CATEGORIES],
    )


def _text(value: object) -> str:
    """A cleaned text, empty for none; raises TypeError where it is no text, and ValueError where
    half of a character is missing."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError
    # An emoji may come as two surrogates, as Python 2 wrote it.
    return clean(value.encode("utf-16-le", "surrogatepass").decode("utf-16-le"))


def _starter_product(row: list[str]) -> Item:
    id, brand, name, size, category, keywords = (clean(field) for field in row)
    words = re.split(r"\s*>\s*", category) + re.split(r"\s*;\s*", keywords)
    return Item(
        checked_id(id),
        name or id,
        brand=brand or None,
        size=size or None,
        keywords=_distinct(word.lower() for word in words),
    )


def _distinct(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for word in words if word))


def _plain_or_gz(place: Place, name: str) -> str:
    plain = name.removesuffix(".gz")
    return plain if not place.holds(name) and place.holds(plain) else name
