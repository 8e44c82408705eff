"""Readers of MovieLens, in the layouts of its releases; see `palr.data.readers`."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from palr.data.raw import RawDataset, Rows, checked_id, distinct, each, number, raw_dataset
from palr.data.sources import Place, malformed, place_of
from palr.data.titles import split_title
from palr.types import Item

# Who chose what, then the items.
ML_DAT = ("ratings.dat", "movies.dat")
ML_CSV = ("ratings.csv", "movies.csv")
ML_100K = ("u.data", "u.item", "u.genre")
ML_100K_RECBOLE = ("ml-100k.inter", "ml-100k.item")
MOVIE_COLUMNS = "movieId,title,genres"
RATING_COLUMNS = "userId,movieId,rating,timestamp"
_NO_VALUE = {
    "",
    "unknown",
    "unkonwn",
    "(no genres listed)",
}  # the third is how RecBole's file spells it
_VIDEO = re.compile(r"\s*\((?:V|TV)\)\s*$")  # stands after the year in MovieLens-100K


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

    each(place.lines("movies.dat"), movie, "movies.dat", "MovieID::Title::Genres")
    expected = "UserID::MovieID::Rating::Timestamp"
    each(place.lines("ratings.dat"), _rating(rows, "::"), "ratings.dat", expected)
    return raw_dataset("movies.dat", items, "ratings.dat", rows)


def read_ml_100k(source: Path) -> RawDataset:
    """MovieLens-100K, out of its zip archive or its folder; or a folder as RecBole ships it.

    Raises:
        DataError: as `read_ml_1m`.
    """
    place, layout = place_of(source, ML_100K_RECBOLE, ML_100K)
    recbole = layout == ML_100K_RECBOLE  # comes out of a wheel that is known by its checksum
    items = _recbole_items(place) if recbole else _items_100k(place)
    rows = Rows()
    lines = place.lines(layout[0])
    expected = "user, item, rating and timestamp"
    if recbole:
        lines = _below_header(lines, layout[0], expected)
    each(lines, _rating(rows, "\t"), layout[0], expected)
    return raw_dataset(layout[1], items, layout[0], rows, vouched=recbole)


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
    each(place.rows(movies, MOVIE_COLUMNS), movie, movies, MOVIE_COLUMNS)
    each(place.rows(ratings, RATING_COLUMNS), _rating(rows), ratings, RATING_COLUMNS)
    return raw_dataset(movies, items, ratings, rows)


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

    each(place.lines("u.genre"), genre, "u.genre", "a genre and its number, counted from 0")
    each(
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

    each(_below_header(place.lines(name), name, expected), movie, name, expected)
    return items


def _movie(id: str, title: str, genres: Iterable[str], released: int | None = None) -> Item:
    title, year = split_title(title)
    year = year or released
    named = [genre.strip().lower() for genre in genres]
    keywords = distinct(genre for genre in named if genre not in _NO_VALUE)
    if year:
        keywords = (*keywords, f"{year // 10 * 10}s")
    known = title if title.lower() not in _NO_VALUE else id
    return Item(checked_id(id), known, year=year, keywords=keywords)


def _year(text: str) -> int | None:
    return int(text) if re.fullmatch("[0-9]{4}", text) else None
