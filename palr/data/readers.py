"""Readers of the data sets' official formats; each gives the same `RawDataset`.

One line of each:

- MovieLens-1M ``ratings.dat``: ``1::1193::5::978300760``; ``movies.dat``, latin-1:
  ``1::Toy Story (1995)::Animation|Children's|Comedy``
- RecBole's MovieLens-100K ``ml-100k.item``, tab-separated: ``1  Toy Story  1995  Animation
  Children's Comedy``; ``ml-100k.inter``: ``196  242  3  881250949``
- ``ml-latest-small`` ``movies.csv``: ``11,"American President, The (1995)",Comedy|Drama|Romance``;
  ``ratings.csv``: ``1,11,4.0,964982703``, both with a header; ``tags.csv`` is not read
- Amazon 2014 ``reviews_Beauty_5.json.gz``: one JSON object a line; ``meta_Beauty.json.gz``: one
  Python literal a line, ``{'asin': '...', 'title': '...', 'categories': [['Beauty', ...]]}``
- the starter catalog: ``id,brand,name,size,category,keywords`` as CSV
"""

import ast
import csv
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from palr.data.interactions import Interactions
from palr.data.sources import csv_rows, gzip_lines, malformed, table_lines
from palr.data.titles import clean, split_title
from palr.errors import DataError
from palr.types import Item

BEAUTY_FILES = ("reviews_Beauty_5.json.gz", "meta_Beauty.json.gz")
MAX_CATEGORIES = 8
STARTER_COLUMNS = ("id", "brand", "name", "size", "category", "keywords")
_NO_VALUE = {
    "",
    "unknown",
    "unkonwn",
    "(no genres listed)",
}  # the third is how RecBole's file spells it


@dataclass(frozen=True)
class RawDataset:
    """Items and interactions as the source has them, before any preprocessing.

    Attributes:
        items: All items; ``items[i].id`` is ``interactions.item_ids[i]``.
        interactions: All interactions, or None where the source has none.
        checksum: Of the source files; `palr.data.datasets.read` fills it in.
    """

    items: tuple[Item, ...]
    interactions: Interactions | None
    checksum: str = ""


def read_ml_1m(source: Path) -> RawDataset:
    """MovieLens-1M out of its zip archive or its folder; keywords are genres and the decade.

    Raises:
        DataError: see `palr.data.sources`; also a malformed line, named by file and number.
    """
    inside = "" if source.is_dir() else "ml-1m/"
    items = []
    for number, line in table_lines(source, f"{inside}movies.dat", "latin-1"):
        fields = line.split("::")
        if len(fields) != 3:
            raise malformed("movies.dat", number, "MovieID::Title::Genres", line)
        title, year = split_title(fields[1])
        items.append(_movie(fields[0], title, year, fields[2].split("|")))
    rows = _Rows()
    for number, line in table_lines(source, f"{inside}ratings.dat", "latin-1"):
        try:
            user, item, _, time = line.split("::")
            rows.add(user, item, float(time))
        except ValueError:
            expected = "UserID::MovieID::Rating::Timestamp"
            raise malformed("ratings.dat", number, expected, line) from None
    return _raw(items, rows.interactions())


def read_ml_100k(source: Path) -> RawDataset:
    """MovieLens-100K as RecBole ships it: a folder with ``ml-100k.inter`` and ``ml-100k.item``.

    Raises:
        DataError: as `read_ml_1m`.
    """
    items = []
    for number, line in table_lines(source, "ml-100k.item", "utf-8"):
        fields = line.split("\t")
        if len(fields) != 4:
            raise malformed("ml-100k.item", number, "id, title, year and genres", line)
        if number == 1:
            continue
        title, year = split_title(fields[1])
        if fields[2].isdecimal():
            year = int(fields[2])
        items.append(_movie(fields[0], title, year, fields[3].split(" ")))
    rows = _Rows()
    for number, line in table_lines(source, "ml-100k.inter", "utf-8"):
        try:
            user, item, _, time = line.split("\t")
            if number > 1:
                rows.add(user, item, float(time))
        except ValueError:
            expected = "user, item, rating and timestamp"
            raise malformed("ml-100k.inter", number, expected, line) from None
    return _raw(items, rows.interactions())


def read_ml_latest(source: Path) -> RawDataset:
    """The "latest" MovieLens layout, out of its zip archive or its folder.

    Raises:
        DataError: as `read_ml_1m`.
    """
    inside = "" if source.is_dir() else "ml-latest-small/"
    items = []
    for number, fields in csv_rows(source, f"{inside}movies.csv"):
        if len(fields) != 3 or (number == 1) != (fields[0] == "movieId"):
            raise malformed("movies.csv", number, "movieId,title,genres", ",".join(fields))
        if number > 1:
            title, year = split_title(fields[1])
            items.append(_movie(fields[0], title, year, fields[2].split("|")))
    rows = _Rows()
    for number, fields in csv_rows(source, f"{inside}ratings.csv"):
        try:
            user, item, _, time = fields
            if (number == 1) != (user == "userId"):
                raise ValueError
            if number > 1:
                rows.add(user, item, float(time))
        except ValueError:
            expected = "userId,movieId,rating,timestamp"
            raise malformed("ratings.csv", number, expected, ",".join(fields)) from None
    return _raw(items, rows.interactions())


def read_beauty(source: Path) -> RawDataset:
    """Amazon Beauty (2014): a folder with the 5-core reviews and the products' metadata.

    The official metadata covers far more products than the 5-core; only reviewed ones are kept.

    Raises:
        DataError: as `read_ml_1m`.
    """
    reviews, meta = (_plain_or_gz(source / name) for name in BEAUTY_FILES)
    rows = _Rows()
    for number, line in gzip_lines(reviews):
        try:
            review = json.loads(line)
            time = float(review["unixReviewTime"])
            rows.add(str(review["reviewerID"]), str(review["asin"]), time)
        except (ValueError, KeyError, TypeError):
            expected = "a JSON object with reviewerID, asin and unixReviewTime"
            raise malformed(reviews.name, number, expected, line) from None
    reviewed = set(rows.items)
    items = []
    for number, line in gzip_lines(meta):
        try:
            product = ast.literal_eval(line)
            if product["asin"] in reviewed:
                items.append(_product(product))
        except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError):
            raise malformed(meta.name, number, "a Python literal with asin", line) from None
    return _raw(items, rows.interactions())


def read_starter(source: Path) -> RawDataset:
    """The starter beauty catalog; it has no interactions.

    Raises:
        DataError: as `read_ml_1m`.
    """
    items = []
    try:
        with source.open(encoding="utf-8", newline="") as stream:
            rows = csv.reader(stream, strict=True)
            for row in rows:
                if len(row) != len(STARTER_COLUMNS) or not row[0]:
                    raise malformed(
                        source.name, rows.line_num, ", ".join(STARTER_COLUMNS), ",".join(row)
                    )
                if rows.line_num > 1:
                    items.append(_starter_product(row))
    except FileNotFoundError as error:
        raise DataError(f"{source} does not exist") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{source} is not UTF-8 CSV: {error}") from error
    except OSError as error:
        raise DataError(f"{source} cannot be read: {error.strerror or error}") from error
    return _raw(items, None)


class _Rows:
    """Interactions while they are being read."""

    def __init__(self) -> None:
        self.users: list[str] = []
        self.items: list[str] = []
        self.times: list[float] = []

    def add(self, user: str, item: str, time: float) -> None:
        self.users.append(user)
        self.items.append(item)
        self.times.append(time)

    def interactions(self) -> Interactions:
        return Interactions.from_rows(self.users, self.items, self.times)


def _movie(id: str, title: str, year: int | None, genres: Iterable[str]) -> Item:
    named = [genre.strip().lower() for genre in genres]
    keywords = _distinct(genre for genre in named if genre not in _NO_VALUE)
    if year:
        keywords = (*keywords, f"{year // 10 * 10}s")
    known = title if title.lower() not in _NO_VALUE else id
    return Item(id, known, year=year, keywords=keywords)


def _product(product: dict[str, object]) -> Item:
    paths = product.get("categories") or []
    if not isinstance(paths, list):
        raise ValueError
    categories = (clean(part).lower() for path in paths for part in path)
    return Item(
        str(product["asin"]),
        clean(str(product.get("title") or "")) or str(product["asin"]),
        brand=clean(str(product.get("brand") or "")) or None,
        keywords=_distinct(part for part in categories if part != "beauty")[:MAX_CATEGORIES],
    )


def _starter_product(row: list[str]) -> Item:
    id, brand, name, size, category, keywords = (clean(field) for field in row)
    words = re.split(r"\s*>\s*", category) + re.split(r"\s*;\s*", keywords)
    return Item(
        id,
        name or id,
        brand=brand or None,
        size=size or None,
        keywords=_distinct(word.lower() for word in words),
    )


def _distinct(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for word in words if word))


def _plain_or_gz(path: Path) -> Path:
    plain = path.with_suffix("")
    return plain if not path.exists() and plain.exists() else path


def _raw(items: list[Item], interactions: Interactions | None) -> RawDataset:
    """Count popularity, and bring items and item indices into one order."""
    known: dict[str, Item] = {}
    for item in items:
        known.setdefault(item.id, item)
    if interactions is None:
        return RawDataset(tuple(known.values()), None)
    counts = interactions.popularity
    ordered = [replace(item, popularity=counts.get(item.id, 0)) for item in known.values()]
    ordered += [
        Item(id, id, popularity=counts[id]) for id in interactions.item_ids if id not in known
    ]
    position = {item.id: index for index, item in enumerate(ordered)}
    recode = np.array([position[id] for id in interactions.item_ids], dtype=np.int64)
    return RawDataset(
        tuple(ordered),
        replace(interactions, items=recode[interactions.items], item_ids=tuple(position)),
    )
