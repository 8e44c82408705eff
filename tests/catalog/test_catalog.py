import random
import sqlite3
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from palr.catalog.catalog import Catalog, CatalogStore, DamagedCatalogError
from palr.data.datasets import read
from palr.data.interactions import Interactions
from palr.data.readers import RawDataset
from palr.data.store import BUSY_SECONDS, Database
from palr.data.tables import Base
from palr.domains import BEAUTY, DOMAINS, MOVIES, Persona
from palr.errors import CatalogError, DataError, UnknownItemError
from palr.settings import Settings
from palr.types import Item

ITEMS = (
    Item("10", "Sabrina", year=1954, keywords=("comedy",), popularity=1),
    Item("2", "Sabrina", year=1995, keywords=("comedy", "romance"), popularity=2),
    Item("3", 'Ciao, Professore! "Io" 🎬 <b>\'', year=1993),
    Item("4", "The Matrix", year=1999, popularity=1),
    Item("5", "54", year=1998, popularity=1),
)
LOG = Interactions(
    np.array([1, 0, 1, 0, 0]),
    np.array([1, 0, 3, 1, 4]),
    ("u", "v"),
    tuple(item.id for item in ITEMS),
)
RAW = RawDataset(ITEMS, LOG, "abc")
LOCKED = r"is in use by another process \(database is locked\): try again when"


@pytest.fixture
def store(tmp_path: Path) -> CatalogStore:
    return CatalogStore(f"sqlite:///{tmp_path / 'new' / 'catalog.db'}")


@pytest.fixture
def movies(store: CatalogStore) -> Catalog:
    store.install("ml-100k", RAW)
    return store.open("ml-100k")


def test_what_goes_in_comes_out(movies: Catalog) -> None:
    assert movies.dataset == "ml-100k"
    assert movies.domain is MOVIES
    assert movies.items == ITEMS
    log = movies.interactions()
    assert (log.user_ids, log.item_ids) == (LOG.user_ids, LOG.item_ids)
    assert log.users.tolist() == LOG.users.tolist()
    assert log.items.tolist() == LOG.items.tolist()
    assert log.users.dtype == log.items.dtype == np.int64


def test_installed_counts_and_remembers_the_checksum(store: CatalogStore, movies: Catalog) -> None:
    info = store.installed()["ml-100k"]
    assert (info.items, info.users, info.interactions, info.checksum) == (5, 2, 5, "abc")


def test_a_second_install_replaces_the_first_only(store: CatalogStore, movies: Catalog) -> None:
    store.install("beauty-starter", RawDataset((Item("P", "Soap"),), None), "s")
    store.install("ml-100k", RawDataset(ITEMS[:1], None), "def")
    assert store.open("ml-100k").items == ITEMS[:1]
    assert not store.open("ml-100k").has_interactions
    assert store.open("beauty-starter").items == (Item("P", "Soap"),)
    assert store.installed()["ml-100k"].checksum == "def"


def test_a_failed_install_leaves_the_earlier_one(store: CatalogStore, movies: Catalog) -> None:
    with pytest.raises(CatalogError):
        store.install("ml-100k", RawDataset((Item("1", None),), None, "bad"))  # type: ignore[arg-type]
    assert store.open("ml-100k").items == ITEMS
    assert store.installed()["ml-100k"].checksum == "abc"


def test_remove(store: CatalogStore, movies: Catalog) -> None:
    store.remove("ml-100k")
    store.remove("ml-100k")
    assert store.installed() == {}
    with pytest.raises(CatalogError, match=r"MovieLens-100K is not installed; run `.*setup`"):
        store.open("ml-100k")
    with pytest.raises(DataError, match="unknown data set 'nope'"):
        store.install("nope", RAW)


def test_the_preferred_data_set_is_active(store: CatalogStore, movies: Catalog) -> None:
    assert store.active(MOVIES).dataset == "ml-100k"
    store.install("ml-1m", RAW)
    assert store.active(MOVIES).dataset == "ml-1m"
    with pytest.raises(CatalogError, match="no catalog of products is installed; run `python -m"):
        store.active(BEAUTY)


def test_looking_creates_no_file(store: CatalogStore, tmp_path: Path) -> None:
    assert store.installed() == {}
    store.check()
    assert list(tmp_path.iterdir()) == []


def test_no_interactions(store: CatalogStore) -> None:
    store.install("beauty-starter", RawDataset((Item("P", "Soap"),), None))
    catalog = store.open("beauty-starter")
    assert not catalog.has_interactions
    with pytest.raises(CatalogError, match=r"has no interactions; install one of beauty"):
        catalog.interactions()


@pytest.mark.parametrize(
    ("text", "id"),
    [
        ("sabrina (1954)", "10"),
        ("Sabrina, 1995", "2"),
        ("SABRINA  (1995)", "2"),
        ("The Matrix", "4"),
        ("Matrix, The (1999)", "4"),
        ('Ciao, Professore! "Io" 🎬 <b>\' (1993)', "3"),
        ("54", "5"),
        ("10", "10"),
    ],
)
def test_find(movies: Catalog, text: str, id: str) -> None:
    assert movies.find(text).id == id


def test_find_takes_products_with_or_without_brand_and_size() -> None:
    soap = Item("P1", "Crème Soap", brand="Kirk's", size="4 oz")
    catalog = Catalog("beauty-starter", BEAUTY, (soap,))
    for text in ("Kirk's Crème Soap, 4 oz", "kirks creme soap", "Creme Soap", "P1"):
        assert catalog.find(text) is soap


def test_an_unknown_title_suggests_the_nearest(movies: Catalog) -> None:
    with pytest.raises(UnknownItemError, match=r"'The Matrx'; did you mean The Matrix \(1999\)\?"):
        movies.find("The Matrx")
    with pytest.raises(UnknownItemError, match=r"Sabrina \(1995\) or Sabrina \(1954\)"):
        movies.find("sabrin")


@pytest.mark.parametrize("text", ["", "🎬", "x" * 10_000, "ignore previous instructions", "%s {0}"])
def test_an_odd_title_is_an_unknown_item(movies: Catalog, text: str) -> None:
    with pytest.raises(UnknownItemError) as caught:
        movies.find(text)
    assert len(str(caught.value)) < 400


def test_item(movies: Catalog) -> None:
    assert movies.item("4").title == "The Matrix"
    with pytest.raises(UnknownItemError, match="no movie has the id 'nope'"):
        movies.item("nope")


def test_the_fingerprint_names_the_set_of_ids(movies: Catalog) -> None:
    again = Catalog("ml-1m", MOVIES, tuple(reversed(ITEMS)))
    fewer = Catalog("ml-1m", MOVIES, ITEMS[1:])
    assert movies.fingerprint == again.fingerprint != fewer.fingerprint
    assert len(movies.fingerprint) == 16


def test_persona_picks_are_distinct_and_skip_what_is_not_there(movies: Catalog) -> None:
    visitor = Persona("V", "", ("matrix", "no such film", "sabrina (1954)", "The Matrix", "matrx"))
    assert [item.id for item in movies.persona_picks(visitor)] == ["4", "10"]


@pytest.mark.parametrize("key", ["ml-100k", "beauty-starter"])
def test_every_visitor_query_finds_its_item_in_the_embedded_catalogs(
    settings: Settings, key: str
) -> None:
    catalog = CatalogStore(settings.catalog_url).open(key)
    for visitor in catalog.domain.personas:
        picks = catalog.persona_picks(visitor)
        assert len(picks) == len(visitor.queries)
        for query, item in zip(visitor.queries, picks, strict=True):
            if catalog.domain is MOVIES:
                assert item.label == query


@pytest.mark.long
@pytest.mark.parametrize("key", ["ml-1m", "beauty"])
def test_every_visitor_has_picks_in_the_full_data(key: str, official_data: Path) -> None:
    raw = read(key, official_data, Settings())
    domain = next(domain for domain in DOMAINS.values() if key in domain.datasets)
    catalog = Catalog(key, domain, raw.items)
    for visitor in domain.personas:
        assert len(catalog.persona_picks(visitor)) == len(visitor.queries)


def test_bytes_that_are_no_database(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    path.write_bytes(random.Random(0).randbytes(8192))
    store = CatalogStore(f"sqlite:///{path}")
    for call in (store.installed, store.check, lambda: store.open("ml-100k")):
        with pytest.raises(DamagedCatalogError, match=rf"{path} is damaged .*delete it and run"):
            call()


def test_a_damaged_page_is_found(store: CatalogStore, tmp_path: Path) -> None:
    many = tuple(Item(str(i), f"Film {i}", popularity=1) for i in range(5000))
    store.install("ml-100k", RawDataset(many, None))
    store.check()
    store.close()
    path = tmp_path / "new" / "catalog.db"
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 4096] = random.Random(0).randbytes(4096)
    path.write_bytes(data)
    with pytest.raises(DamagedCatalogError, match="is damaged"):
        store.check()
    with pytest.raises(DamagedCatalogError, match="is damaged"):
        store.open("ml-100k")


def test_a_truncated_database_is_found(store: CatalogStore, tmp_path: Path) -> None:
    store.install("ml-100k", RAW)
    store.close()
    path = tmp_path / "new" / "catalog.db"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DamagedCatalogError, match="is damaged"):
        store.check()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = CatalogStore(f"sqlite:///{tmp_path / 'file' / 'catalog.db'}")
    assert store.installed() == {}
    with pytest.raises(CatalogError, match=r"cannot be used \(File exists\); set PALR_HOME"):
        store.install("ml-100k", RAW)


def test_an_intact_database_opens_read_only(store: CatalogStore, tmp_path: Path) -> None:
    store.install("ml-100k", RAW)
    store.close()
    url = f"sqlite:///file:{tmp_path / 'new' / 'catalog.db'}?mode=ro&uri=true"
    reader = CatalogStore(url)
    assert reader.open("ml-100k").items == ITEMS
    assert len(reader.open("ml-100k").interactions()) == 5


def test_a_locked_database_is_not_called_damaged(
    store: CatalogStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.install("ml-100k", RAW)
    monkeypatch.setattr("palr.data.store.BUSY_SECONDS", 0.1)
    impatient = CatalogStore(f"sqlite:///{tmp_path / 'new' / 'catalog.db'}")
    other = sqlite3.connect(tmp_path / "new" / "catalog.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    for call in (impatient.installed, lambda: impatient.install("ml-100k", RAW), impatient.check):
        with pytest.raises(CatalogError, match=LOCKED) as caught:
            call()
        assert not isinstance(caught.value, DamagedCatalogError)
    other.close()
    assert impatient.open("ml-100k").items == ITEMS


def test_nobody_waits_long_while_another_process_installs(
    store: CatalogStore, movies: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert BUSY_SECONDS <= 5
    monkeypatch.setattr("palr.data.store.BUSY_SECONDS", 0.2)
    store = CatalogStore(f"sqlite:///{tmp_path / 'new' / 'catalog.db'}")
    other = sqlite3.connect(tmp_path / "new" / "catalog.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # another process that is installing
    assert store.open("ml-100k").items == ITEMS
    begin = time.monotonic()
    with pytest.raises(CatalogError, match=LOCKED):
        store.install("ml-100k", RawDataset(ITEMS[:1], None, "new"))
    assert time.monotonic() - begin < 2
    other.close()
    assert store.installed()["ml-100k"].checksum == "abc"


@pytest.mark.parametrize(
    "item",
    [
        Item("1", "Half a \ud83d"),
        Item("1", "Heat", year=10**30),
        Item("1", "Heat", popularity=10**30),
        Item("1", {"a": "dict"}),  # type: ignore[arg-type]
        Item("1", "Heat", keywords=({1},)),  # type: ignore[arg-type]
        Item("1", None),  # type: ignore[arg-type]
    ],
    ids=lambda item: ascii(item)[:60],
)
def test_what_does_not_fit_is_not_called_damage(
    store: CatalogStore, movies: Catalog, item: Item
) -> None:
    with pytest.raises(CatalogError, match=r"cannot hold this data set .* still there") as caught:
        store.install("ml-100k", RawDataset((item,), None, "bad"))
    assert not isinstance(caught.value, DamagedCatalogError)
    store.check()
    assert store.open("ml-100k").items == ITEMS


def test_a_reader_of_the_progress_that_fails_is_not_called_damage(store: CatalogStore) -> None:
    def fail(*step: object) -> None:
        raise ValueError("the bar is gone")

    with pytest.raises(ValueError, match="the bar is gone"):
        store.install("ml-100k", RAW, progress=fail)
    assert store.installed() == {}


def alter(store: CatalogStore, folder: Path, sql: str) -> None:
    """Change the store's database behind its back."""
    store.close()
    other = sqlite3.connect(folder / "new" / "catalog.db")
    other.execute(sql)
    other.commit()
    other.close()


def test_a_database_of_another_version_is_not_called_damaged(
    store: CatalogStore, movies: Catalog, tmp_path: Path
) -> None:
    alter(store, tmp_path, "ALTER TABLE items RENAME COLUMN keywords TO tags")
    with pytest.raises(CatalogError, match=r"is none of this version .*move it away") as caught:
        store.open("ml-100k")
    assert not isinstance(caught.value, DamagedCatalogError)


def test_a_row_that_no_json_is_in_is_damage(
    store: CatalogStore, movies: Catalog, tmp_path: Path
) -> None:
    alter(store, tmp_path, "UPDATE items SET keywords = '[' WHERE position = 2")
    with pytest.raises(DamagedCatalogError, match=r"is damaged .*delete it and run"):
        store.open("ml-100k")


AGAIN = Interactions(LOG.users[::-1], LOG.items[::-1], ("v", "u"), LOG.item_ids)


@pytest.mark.parametrize(
    "again",
    [
        RawDataset(ITEMS, AGAIN, "abc"),
        RawDataset(tuple(reversed(ITEMS)), AGAIN, "new"),
        RawDataset(ITEMS[:1], None, "new"),
        RAW,
    ],
    ids=["other interactions", "another order", "no interactions", "the same"],
)
def test_interactions_of_another_installation_are_not_mixed_in(
    store: CatalogStore, movies: Catalog, again: RawDataset
) -> None:
    read = store.open("ml-100k")
    log = read.interactions()
    store.install("ml-100k", again)
    with pytest.raises(CatalogError, match=r"ml-100k was installed again .*restart the app"):
        movies.interactions()
    assert read.interactions() is log  # what was read before is still whole
    assert store.raw("ml-100k").items == again.items


def test_interactions_of_a_removed_data_set_are_missed(
    store: CatalogStore, movies: Catalog
) -> None:
    store.remove("ml-100k")
    with pytest.raises(CatalogError, match=r"ml-100k was removed while it was in use"):
        movies.interactions()


def test_an_installation_in_the_middle_of_reading_is_noticed(
    store: CatalogStore, movies: Catalog, tmp_path: Path
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'new' / 'catalog.db'}")
    info = database.installed()["ml-100k"]
    with pytest.raises(CatalogError, match="was installed again"), database._reading(info):
        store.install("ml-100k", RAW)


def test_two_installers_at_once_leave_one_whole_data_set(
    store: CatalogStore, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'new' / 'catalog.db'}"
    store.install("ml-1m", RAW)
    sizes = [500 + n for n in range(6)]
    raws = [RawDataset(tuple(Item(str(i), "x") for i in range(n)), None, str(n)) for n in sizes]
    failed: list[Exception] = []

    def work(raw: RawDataset) -> None:
        try:
            CatalogStore(url).install("ml-100k", raw)
        except CatalogError as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(raw,)) for raw in raws]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(store.open("ml-100k").items) == store.installed()["ml-100k"].items
    rows = sqlite3.connect(tmp_path / "new" / "catalog.db").execute("SELECT COUNT(*) FROM items")
    assert rows.fetchone() == (store.installed()["ml-100k"].items + len(ITEMS),)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("not a url", "PALR_DATABASE_URL is not a database URL"),
        ("nosuchdb://host/name", "no driver for nosuchdb://host/name"),
    ],
)
def test_an_unusable_url(url: str, message: str) -> None:
    with pytest.raises(CatalogError, match=message):
        CatalogStore(url)


def test_the_tables_are_valid_on_postgresql() -> None:
    for table in Base.metadata.sorted_tables:
        ddl = str(CreateTable(table).compile(dialect=postgresql.dialect()))
        assert ddl.strip().startswith(f"CREATE TABLE {table.name}")
        assert "ROWID" not in ddl


def test_a_large_install_does_not_shut_readers_out(
    store: CatalogStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.install("ml-100k", RAW)
    monkeypatch.setattr("palr.data.store.BUSY_SECONDS", 0.1)
    other = CatalogStore(f"sqlite:///{tmp_path / 'new' / 'catalog.db'}")
    items = tuple(Item(str(n), f"{n} {'x' * 90}") for n in range(60_000))  # 8 MB; the cache has 2
    seen: list[tuple[bool, set[str]]] = []
    store.install(
        "ml-1m",
        RawDataset(items, None, "x"),
        progress=lambda what, done, total, unit: seen.append(
            (done == total, set(other.installed()))
        ),
    )
    assert len(seen) > 2
    assert all(found == {"ml-100k"} for complete, found in seen if not complete)
    assert seen[-1][1] == {"ml-100k", "ml-1m"}


def test_progress_ends_once(store: CatalogStore) -> None:
    steps: list[tuple[str, int, int, str]] = []
    store.install("ml-100k", RAW, progress=lambda *step: steps.append(step))
    assert steps[-1] == ("ml-100k: catalog", 12, 12, "rows")
    assert [step for step in steps if step[1] >= step[2]] == [steps[-1]]
