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
from pathlib import Path
from typing import Any

from palr.data.movielens import read_ml_1m, read_ml_100k, read_ml_latest
from palr.data.raw import RawDataset, Rows, checked_id, distinct, each, raw_dataset
from palr.data.sources import Place
from palr.data.titles import clean
from palr.types import Item

__all__ = [
    "RawDataset",
    "read_beauty",
    "read_ml_1m",
    "read_ml_100k",
    "read_ml_latest",
    "read_starter",
]

BEAUTY_FILES = ("reviews_Beauty_5.json.gz", "meta_Beauty.json.gz")
MAX_CATEGORIES = 8
STARTER_COLUMNS = "id, brand, name, size, category, keywords"


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
    each(place.lines(reviews, legacy=False), review, reviews, expected)
    reviewed = set(rows.items)
    expected = "a Python literal or JSON object with asin, title, brand and categories, all text"
    each(place.lines(meta, legacy=False), product, meta, expected)
    return raw_dataset(meta, items, reviews, rows)


def read_starter(source: Path) -> RawDataset:
    """The starter beauty catalog; it has no interactions.

    Raises:
        DataError: as `read_ml_1m`.
    """
    items: list[Item] = []
    rows = Place(source.parent).rows(source.name, STARTER_COLUMNS)
    each(rows, lambda row: items.append(_starter_product(row)), source.name, STARTER_COLUMNS)
    return raw_dataset(source.name, items)


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
        keywords=distinct(part for part in categories if part != "beauty")[:MAX_CATEGORIES],
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
        keywords=distinct(word.lower() for word in words),
    )


def _plain_or_gz(place: Place, name: str) -> str:
    plain = name.removesuffix(".gz")
    return plain if not place.holds(name) and place.holds(plain) else name
