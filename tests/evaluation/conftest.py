"""A small world: 40 people watch a circle of 12 films in order, each from another place."""

from pathlib import Path

import numpy as np
import pytest

from palr.catalog.catalog import Catalog
from palr.data.interactions import Interactions
from palr.domains import DOMAINS
from palr.retrieval.trainable import Plan
from palr.settings import Settings
from palr.training.train import train
from palr.types import Item

QUICK = Plan(epochs=1, batch_size=16, lr=3e-3, warmup=0.2)


@pytest.fixture(scope="session")
def rows() -> list[tuple[str, str, float]]:
    """User, item and time; a person's views are spread over all of the time."""
    rng = np.random.default_rng(2)
    return [
        (f"u{user}", f"f{(user + step) % 12:02}", step + rng.random())
        for user in range(40)
        for step in range(5 + user % 5)
    ]


@pytest.fixture(scope="session")
def catalog(rows: list[tuple[str, str, float]]) -> Catalog:
    interactions = Interactions.from_rows(*zip(*rows, strict=True))
    counts = interactions.popularity
    items = tuple(Item(id, id.upper(), popularity=counts[id]) for id in interactions.item_ids)
    return Catalog("small", DOMAINS["movies"], items, lambda: interactions)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture(scope="session")
def folders(catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two folders with SASRec weights, of seed 0 and of seed 1."""
    home = tmp_path_factory.mktemp("weights")
    places = [home / "zero", home / "one"]
    for seed, place in enumerate(places):
        train("sasrec", catalog, Settings(home=home), seed, place, plan=QUICK, quiet=True)
    return places
