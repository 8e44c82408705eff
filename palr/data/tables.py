"""The tables of the catalog database, alike on SQLite and PostgreSQL.

Rows of one data set share its ``dataset`` number; ``position`` counts from 0 within it.
"""

from sqlalchemy import JSON, ForeignKey, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Declarative base of every table."""


class DatasetRow(Base):
    """An installed data set; counts are of the source, before the 5-core."""

    __tablename__ = "datasets"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(Text, unique=True)
    checksum: Mapped[str] = mapped_column(Text)
    installed_at: Mapped[str] = mapped_column(Text)
    items: Mapped[int]
    users: Mapped[int]
    interactions: Mapped[int]


class ItemRow(Base):
    """A `palr.types.Item`; positions are in the order of the source."""

    __tablename__ = "items"

    dataset: Mapped[int] = mapped_column(ForeignKey("datasets.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    year: Mapped[int | None]
    brand: Mapped[str | None] = mapped_column(Text)
    size: Mapped[str | None] = mapped_column(Text)
    keywords: Mapped[list[str]] = mapped_column(JSON)
    popularity: Mapped[int]


class UserRow(Base):
    """The source's name of a user."""

    __tablename__ = "users"

    dataset: Mapped[int] = mapped_column(ForeignKey("datasets.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(Text)


class InteractionRow(Base):
    """``position`` is the place in time over all users; ``user`` and ``item`` are positions too."""

    __tablename__ = "interactions"
    __table_args__ = ({"sqlite_with_rowid": False},)

    dataset: Mapped[int] = mapped_column(ForeignKey("datasets.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    user: Mapped[int]
    item: Mapped[int]
