"""The catalog database on a real PostgreSQL server, which these tests start for themselves."""

import os
import pwd
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from palr.app.setup import missing
from palr.catalog.catalog import Catalog, CatalogStore
from palr.data.datasets import read
from palr.data.readers import RawDataset
from palr.errors import CatalogError
from palr.settings import Settings
from palr.types import Item

USER = "postgres"
TITLES = ('Ciao, Professore! "Io" 🎬 <b>\'', "'; DROP TABLE items; --", "ไทย עברית \u202e", "%_\\")


def server_programs() -> Path:
    """Debian keeps initdb off the PATH, one folder for each version."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if not found and not on_path:
        pytest.fail("no PostgreSQL server here: apt-get install postgresql")
    return (found[-1] if found else Path(str(on_path))).parent


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a new, empty server on a free port."""
    programs = server_programs()
    folder = Path("/tmp") / f"palr-postgres-{os.getpid()}"  # a socket's path has to be short
    folder.mkdir(mode=0o700)
    as_user: list[str] = []
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        account = pwd.getpwnam(USER)
        os.chown(folder, account.pw_uid, account.pw_gid)
        as_user = ["setpriv", f"--reuid={USER}", f"--regid={account.pw_gid}", "--init-groups"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"

    def call(program: str, *arguments: str) -> None:
        command = [*as_user, str(programs / program), *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd=folder, timeout=120)

    try:
        call("initdb", "-D", str(data), "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        call("pg_ctl", "-D", str(data), "-o", options, "-l", str(folder / "log"), "-w", "start")
        try:
            yield f"postgresql+psycopg://{USER}@127.0.0.1:{port}/postgres"
        finally:
            call("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def raw(settings: Settings) -> RawDataset:
    return read("ml-100k", None, settings)


@pytest.fixture(scope="module")
def catalog(database: str, raw: RawDataset) -> Catalog:
    store = CatalogStore(database)
    assert store.installed() == {}
    store.install("ml-100k", raw)
    return store.open("ml-100k")


def test_items_and_interactions_come_back_as_they_went_in(
    catalog: Catalog, raw: RawDataset
) -> None:
    assert catalog.items == tuple(raw.items)
    assert raw.interactions is not None
    log = catalog.interactions()
    assert log.user_ids == raw.interactions.user_ids
    assert (log.users == raw.interactions.users).all()
    assert (log.items == raw.interactions.items).all()


def test_search_and_fingerprint_are_those_of_sqlite(
    catalog: Catalog, raw: RawDataset, tmp_path: Path
) -> None:
    sqlite = CatalogStore(f"sqlite:///{tmp_path / 'catalog.db'}")
    sqlite.install("ml-100k", raw)
    other = sqlite.open("ml-100k")
    assert catalog.fingerprint == other.fingerprint
    assert catalog.search("star wrs") == other.search("star wrs")


def test_strange_titles_survive_and_a_second_install_replaces_the_first(
    database: str, catalog: Catalog
) -> None:
    store = CatalogStore(database)
    items = tuple(Item(str(n), title, keywords=(title,)) for n, title in enumerate(TITLES))
    for _ in range(2):
        store.install("beauty-starter", RawDataset(items, None, "x"))
        assert store.open("beauty-starter").items == items
    store.remove("beauty-starter")
    assert set(store.installed()) == {"ml-100k"}


def test_a_failed_install_leaves_the_earlier_one(database: str, catalog: Catalog) -> None:
    store = CatalogStore(database)
    nul = replace(catalog.items[0], title="a\x00b")  # which PostgreSQL does not store
    with pytest.raises(CatalogError):
        store.install("ml-100k", RawDataset((nul,), None, "bad"))
    assert len(store.open("ml-100k").items) == len(catalog.items)


def test_setup_fills_it_once(database: str, catalog: Catalog, settings: Settings) -> None:
    here = settings.model_copy(update={"database_url": database})
    assert missing(here) == ["catalogs"]  # the starter catalog of beauty products
    store = CatalogStore(database)
    store.install("beauty-starter", read("beauty-starter", None, here))
    assert missing(here) == []


def test_a_server_that_is_down_or_refuses_is_named(database: str) -> None:
    for url in (re.sub(r":\d+/", ":9/", database), f"{database}-absent"):
        with pytest.raises(CatalogError, match="check PALR_DATABASE_URL"):
            CatalogStore(url).installed()
