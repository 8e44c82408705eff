"""Damaged data sets: each is read, or refused with one line that blames the right thing."""

import gzip
import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palr.catalog.catalog import CatalogStore
from palr.data.datasets import STARTER_CSV
from palr.data.raw import RawDataset
from palr.data.readers import (
    read_beauty,
    read_ml_1m,
    read_ml_100k,
    read_ml_latest,
    read_starter,
)
from palr.errors import DataError

from ..mutations import damaged, mistyped
from . import layouts

EXAMPLES = [60, pytest.param(2000, marks=pytest.mark.long)]
Reader = Callable[[Path], RawDataset]

BEAUTY = {name.removesuffix(".gz"): gzip.decompress(x) for name, x in layouts.beauty().items()}
STARTER = b"\n".join(STARTER_CSV.read_bytes().splitlines()[:9])
FOLDERS: list[tuple[Reader, layouts.Files]] = [
    (read_ml_1m, layouts.dat()),
    (read_ml_100k, layouts.ml_100k()),
    (read_ml_100k, layouts.recbole()),
    (read_ml_latest, layouts.csv()),
    (read_beauty, BEAUTY),
    (read_beauty, layouts.beauty()),
    (lambda folder: read_starter(folder / "beauty.csv"), {"beauty.csv": STARTER}),
]
ZIPPED: list[tuple[Reader, layouts.Files]] = [
    (read_ml_1m, layouts.dat()),
    (read_ml_100k, layouts.ml_100k()),
    (read_ml_latest, layouts.csv()),
]


def archive(files: layouts.Files) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, file in files.items():
            zipped.writestr(f"inner/{name}", file)
    return content.getvalue()


def check(reader: Reader, files: layouts.Files, store: CatalogStore, source: str = "") -> None:
    """Read and install; whatever happens, the catalog is the old one or the new one."""
    with tempfile.TemporaryDirectory() as folder:
        layouts.write(Path(folder), files)
        try:
            raw = reader(Path(folder) / source)
        except DataError as error:
            message = str(error)
            assert "\n" not in message
            assert "\r" not in message
            assert any(name.removesuffix(".gz") in message for name in files), message
            return
    assert raw.items
    store.install("ml-100k", raw)
    assert store.open("ml-100k").items == raw.items


@pytest.mark.parametrize("n", EXAMPLES)
def test_a_damaged_file_of_a_folder(n: int) -> None:
    store = CatalogStore("sqlite://")

    @settings(max_examples=n, deadline=None, derandomize=True, database=None)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        reader, files = data.draw(st.sampled_from(FOLDERS))
        name = data.draw(st.sampled_from(sorted(files)))
        check(reader, {**files, name: data.draw(damaged(files[name]))}, store)

    run()


@pytest.mark.parametrize("n", EXAMPLES)
def test_a_damaged_archive(n: int) -> None:
    store = CatalogStore("sqlite://")

    @settings(max_examples=n, deadline=None, derandomize=True, database=None)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        reader, files = data.draw(st.sampled_from(ZIPPED))
        check(reader, {"mine.zip": data.draw(damaged(archive(files)))}, store, "mine.zip")

    run()


@pytest.mark.parametrize("n", EXAMPLES)
def test_values_of_other_types(n: int) -> None:
    store = CatalogStore("sqlite://")
    product = json.dumps(layouts.products()[0])
    review = json.dumps({"reviewerID": "A1", "asin": "B1", "unixReviewTime": 1})

    @settings(max_examples=n, deadline=None, derandomize=True, database=None)
    @given(st.sampled_from(sorted(BEAUTY)), mistyped(product), mistyped(review))
    def run(name: str, product: str, review: str) -> None:
        line = product if name.startswith("meta") else review
        check(read_beauty, {**BEAUTY, name: BEAUTY[name] + f"\n{line}".encode()}, store)

    run()
