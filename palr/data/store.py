"""The database of catalogs: what is installed, and how it gets in and out."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import create_engine, delete, exc, insert, inspect, make_url, select, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from palr.data.interactions import Interactions
from palr.data.progress import Progress, silent
from palr.data.raw import RawDataset
from palr.data.tables import Base, DatasetRow, InteractionRow, ItemRow, UserRow
from palr.errors import CatalogError
from palr.types import Item

BATCH = 50_000
BUSY_SECONDS = 5  # how long SQLite waits for another process
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_UNFIT = (exc.IntegrityError, exc.DataError)
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


class DamagedCatalogError(CatalogError):
    """The database file is not intact."""


@dataclass(frozen=True)
class DatasetInfo:
    """What is installed under a key; counts are of the source, before the 5-core.

    Two installations of one key differ in ``installed_at`` at least.
    """

    key: str
    checksum: str
    installed_at: str
    items: int
    users: int
    interactions: int


class Database:
    """Installed data sets at an SQLAlchemy ``url``; SQLite and PostgreSQL.

    Every method raises CatalogError, with the remedy, where the database cannot be reached, read
    or written, and DamagedCatalogError where its file is not intact.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
        except exc.ArgumentError as error:
            raise CatalogError(
                "PALR_DATABASE_URL is not a database URL; use sqlite:////absolute/path.db or "
                "postgresql+psycopg://USER:PASSWORD@HOST/NAME"
            ) from error
        self.place = parsed.render_as_string(hide_password=True)
        self.path: Path | None = None
        options: dict[str, Any] = {}
        if parsed.get_backend_name() == "sqlite":
            options["connect_args"] = {"timeout": BUSY_SECONDS, "check_same_thread": False}
            if parsed.database in (None, "", ":memory:"):
                options["poolclass"] = StaticPool
            elif not str(parsed.database).startswith("file:"):
                self.path = Path(str(parsed.database))
                self.place = str(self.path)
        try:
            self._engine = create_engine(parsed, **options)
        except (ImportError, exc.ArgumentError) as error:
            raise CatalogError(
                f"no driver for {self.place} ({error}); for PostgreSQL run "
                "`pip install 'psycopg[binary]'`"
            ) from error

    def installed(self) -> dict[str, DatasetInfo]:
        """What is installed, by key; creates nothing."""
        if self._absent():
            return {}
        with self._session() as session:
            return {row.key: _info(row) for row in session.scalars(select(DatasetRow))}

    def check(self) -> None:
        """Read a SQLite file through; raises DamagedCatalogError where it is not intact."""
        if self.path is None or self._absent():
            return
        with self._session() as session:
            verdict = session.scalar(text("PRAGMA quick_check(1)"))
        if verdict not in (None, "ok"):
            raise self._damaged(str(verdict))

    def write(self, key: str, raw: RawDataset, checksum: str, progress: Progress = silent) -> None:
        """Install a data set in one transaction, in the place of an earlier one of that key.

        Readers of the database see the earlier one until it is complete.

        Args:
            key: Key of the data set.
            raw: Its items and interactions.
            checksum: Of its source, see `DatasetInfo`.
            progress: Is called with the rows written.
        """
        log = raw.interactions
        try:
            if self.path is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error.strerror or str(error)) from error
        with self._transaction() as session:
            Base.metadata.create_all(session.connection())
            if self.path is not None:
                # Once its cache spills into the file, SQLite shuts readers out until the end.
                session.execute(text("PRAGMA cache_spill = OFF"))
            _delete(session, key)
            row = DatasetRow(
                key=key,
                checksum=checksum,
                installed_at=datetime.now(UTC).isoformat(timespec="microseconds"),
                items=len(raw.items),
                users=0 if log is None else len(log.user_ids),
                interactions=0 if log is None else len(log),
            )
            session.add(row)
            session.flush()
            tables: list[tuple[type[Base], int, Callable[[int], dict[str, object]]]] = [
                (ItemRow, row.items, lambda i: _item_values(raw.items[i]))
            ]
            if log is not None:
                names, users, items = log.user_ids, log.users.tolist(), log.items.tolist()
                tables += [
                    (UserRow, len(names), lambda i: {"user_id": names[i]}),
                    (InteractionRow, len(users), lambda i: {"user": users[i], "item": items[i]}),
                ]
            done, total = 0, sum(count for _, count, _ in tables)
            for table, count, values in tables:
                for start in range(0, count, BATCH):
                    batch = range(start, min(start + BATCH, count))
                    rows = [{"dataset": row.id, "position": i, **values(i)} for i in batch]
                    try:
                        session.execute(insert(table), rows)
                    except (ValueError, TypeError, OverflowError) as error:
                        raise self._unfit(str(error)) from error
                    done += len(batch)
                    # The last step is reported when the transaction has been committed.
                    progress(f"{key}: catalog", min(done, total - 1), total, "rows")
        progress(f"{key}: catalog", total, total, "rows")

    def delete(self, key: str) -> None:
        """Remove a data set; nothing happens where it is not installed."""
        if key in self.installed():
            with self._session() as session:
                _delete(session, key)

    def items(self, info: DatasetInfo) -> tuple[Item, ...]:
        """Items of an installed data set, in the order of the source.

        Raises:
            CatalogError: also where it is installed no longer, or was installed again.
        """
        with self._reading(info) as (session, number):
            rows = session.execute(
                select(ItemRow.__table__)
                .where(ItemRow.dataset == number)
                .order_by(ItemRow.position)
            )
            return tuple(
                Item(r.item_id, r.title, r.year, r.brand, r.size, tuple(r.keywords), r.popularity)
                for r in rows
            )

    def interactions(self, info: DatasetInfo, item_ids: tuple[str, ...]) -> Interactions:
        """Interactions of an installed data set; ``item_ids`` are its `items`' ids, in order.

        Raises:
            CatalogError: as `items`.
        """
        with self._reading(info) as (session, number):
            names = select(UserRow.user_id).where(UserRow.dataset == number)
            user_ids = tuple(session.scalars(names.order_by(UserRow.position)))
            pairs = (
                select(InteractionRow.user, InteractionRow.item)
                .where(InteractionRow.dataset == number)
                .order_by(InteractionRow.position)
            )
            rows = [tuple(pair) for pair in session.execute(pairs)]
            table = np.array(rows, dtype=np.int64).reshape(-1, 2)
        return Interactions(table[:, 0].copy(), table[:, 1].copy(), user_ids, item_ids)

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def _absent(self) -> bool:
        """Whether nothing was ever written; asking must not create a SQLite file."""
        if self.path is not None and not self.path.exists():
            return True
        try:
            return not inspect(self._engine).has_table(DatasetRow.__tablename__)
        except exc.SQLAlchemyError as error:
            raise self._explain(error) from error

    @contextmanager
    def _session(self) -> Iterator[Session]:
        """A transaction that only reads, or deletes."""
        try:
            with self._transaction() as session:
                yield session
        except (ValueError, TypeError) as error:
            # Bytes that are no UTF-8, JSON or number where such a column should be.
            raise self._damaged(str(error)) from error

    @contextmanager
    def _transaction(self) -> Iterator[Session]:
        try:
            with Session(self._engine) as session, session.begin():
                yield session
        except exc.SQLAlchemyError as error:
            raise self._explain(error) from error

    @contextmanager
    def _reading(self, info: DatasetInfo) -> Iterator[tuple[Session, int]]:
        """A session and the number of a data set, which is the same one until the block ends.

        Not every database shows all the statements of a transaction the same rows, so the data
        set is looked up again at the end.
        """
        with self._session() as session:
            number = self._number(session, info)
            yield session, number
            self._number(session, info)

    def _number(self, session: Session, info: DatasetInfo) -> int:
        row = session.execute(
            select(DatasetRow.__table__).where(DatasetRow.key == info.key)
        ).one_or_none()
        if row is None or _info(row) != info:
            raise CatalogError(
                f"{info.key} was {'installed again' if row else 'removed'} while it was in use: "
                "restart the app, so that its old and new parts are not mixed"
            )
        number: int = row.id
        return number

    def _explain(self, error: exc.SQLAlchemyError) -> CatalogError:
        cause = getattr(error, "orig", None) or error
        # Of SQLite's codes the higher bits tell more than is needed.
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        if code in _DAMAGED or (isinstance(cause, sqlite3.Error) and "decode" in str(cause)):
            return self._damaged(str(cause))
        if type(error) is exc.StatementError or isinstance(error, _UNFIT):
            return self._unfit(str(cause))
        if not isinstance(cause, sqlite3.Error):
            return CatalogError(
                f"the catalog database {self.place} cannot be used ({cause}); check "
                "PALR_DATABASE_URL, or unset it to use SQLite under PALR_HOME"
            )
        if code in _BUSY:
            return CatalogError(
                f"the catalog database {self.place} is in use by another process ({cause}): try "
                "again when its installation or setup has ended"
            )
        if not code:  # of Python's module: a value that it cannot bind
            return self._unfit(str(cause))
        if code == sqlite3.SQLITE_ERROR:
            return CatalogError(
                f"the catalog database {self.place} is none of this version ({cause}); move it "
                "away and run `python -m palr setup`"
            )
        return self._unwritable(str(cause))

    def _damaged(self, reason: str) -> DamagedCatalogError:
        return DamagedCatalogError(
            f"the catalog database {self.place} is damaged ({reason}); delete it and run "
            "`python -m palr setup`, and `python -m palr data install` for other data sets"
        )

    def _unfit(self, reason: str) -> CatalogError:
        return CatalogError(
            f"the catalog database {self.place} cannot hold this data set ({reason}); what was "
            "installed before is still there"
        )

    def _unwritable(self, reason: str) -> CatalogError:
        return CatalogError(
            f"the catalog database {self.place} cannot be used ({reason}); set PALR_HOME to a "
            "folder that can be written, or PALR_DATABASE_URL to another database"
        )


def _info(row: Any) -> DatasetInfo:
    return DatasetInfo(
        row.key, row.checksum, row.installed_at, row.items, row.users, row.interactions
    )


def _item_values(item: Item) -> dict[str, object]:
    return {
        "item_id": item.id,
        "title": item.title,
        "year": item.year,
        "brand": item.brand,
        "size": item.size,
        "keywords": list(item.keywords),
        "popularity": item.popularity,
    }


def _delete(session: Session, key: str) -> None:
    # No SELECT before it: the first statement takes the lock, and what is deleted is what is there.
    number = select(DatasetRow.id).where(DatasetRow.key == key).scalar_subquery()
    conditions = [(table, table.dataset == number) for table in (InteractionRow, UserRow, ItemRow)]
    for table, condition in (*conditions, (DatasetRow, DatasetRow.key == key)):
        deleted = delete(table).where(condition)
        session.execute(deleted, execution_options={"synchronize_session": False})
