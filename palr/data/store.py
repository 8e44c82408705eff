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
from palr.data.readers import RawDataset
from palr.data.tables import Base, DatasetRow, InteractionRow, ItemRow, UserRow
from palr.errors import CatalogError
from palr.types import Item

BATCH = 50_000
BUSY_SECONDS = 60  # how long SQLite waits for another process that is installing


class DamagedCatalogError(CatalogError):
    """The database file is not intact."""


@dataclass(frozen=True)
class DatasetInfo:
    """What is installed under a key; counts are of the source, before the 5-core."""

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
        with self._session(create=True) as session:
            if self.path is not None:
                # Once its cache spills into the file, SQLite shuts readers out until the end.
                session.execute(text("PRAGMA cache_spill = OFF"))
            _delete(session, key)
            row = DatasetRow(
                key=key,
                checksum=checksum,
                installed_at=datetime.now(UTC).isoformat(timespec="seconds"),
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
                    session.execute(
                        insert(table),
                        [{"dataset": row.id, "position": i, **values(i)} for i in batch],
                    )
                    done += len(batch)
                    # The last step is reported when the transaction has been committed.
                    progress(f"{key}: catalog", min(done, total - 1), total, "rows")
        progress(f"{key}: catalog", total, total, "rows")

    def delete(self, key: str) -> None:
        """Remove a data set; nothing happens where it is not installed."""
        if key in self.installed():
            with self._session() as session:
                _delete(session, key)

    def items(self, key: str) -> tuple[Item, ...]:
        """Items of an installed data set, in the order of the source."""
        with self._session() as session:
            rows = session.execute(
                select(ItemRow.__table__)
                .join(DatasetRow, DatasetRow.id == ItemRow.dataset)
                .where(DatasetRow.key == key)
                .order_by(ItemRow.position)
            )
            return tuple(
                Item(r.item_id, r.title, r.year, r.brand, r.size, tuple(r.keywords), r.popularity)
                for r in rows
            )

    def interactions(self, key: str, item_ids: tuple[str, ...]) -> Interactions:
        """Interactions of an installed data set; ``item_ids`` are its `items`' ids, in order."""
        with self._session() as session:
            number = session.scalar(select(DatasetRow.id).where(DatasetRow.key == key))
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
    def _session(self, create: bool = False) -> Iterator[Session]:
        try:
            if create:
                Base.metadata.create_all(self._engine)
            with Session(self._engine) as session, session.begin():
                yield session
        except exc.SQLAlchemyError as error:
            raise self._explain(error) from error
        except (ValueError, TypeError) as error:
            # Bytes that are no UTF-8, JSON or number where such a column should be.
            raise self._damaged(str(error)) from error

    def _explain(self, error: exc.SQLAlchemyError) -> CatalogError:
        cause = getattr(error, "orig", None) or error
        if isinstance(cause, sqlite3.DatabaseError):
            if not isinstance(cause, sqlite3.OperationalError) or "decode" in str(cause):
                return self._damaged(str(cause))
            return self._unwritable(str(cause))
        return CatalogError(
            f"the catalog database {self.place} cannot be used ({cause}); check PALR_DATABASE_URL, "
            "or unset it to use SQLite under PALR_HOME"
        )

    def _damaged(self, reason: str) -> DamagedCatalogError:
        return DamagedCatalogError(
            f"the catalog database {self.place} is damaged ({reason}); delete it and run "
            "`python -m palr setup`"
        )

    def _unwritable(self, reason: str) -> CatalogError:
        return CatalogError(
            f"the catalog database {self.place} cannot be used ({reason}); set PALR_HOME to a "
            "folder that can be written, or PALR_DATABASE_URL to another database"
        )


def _info(row: DatasetRow) -> DatasetInfo:
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
    number = session.scalar(select(DatasetRow.id).where(DatasetRow.key == key))
    for table in (InteractionRow, UserRow, ItemRow):
        session.execute(delete(table).where(table.dataset == number))
    session.execute(delete(DatasetRow).where(DatasetRow.key == key))
