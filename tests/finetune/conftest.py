"""A small world for fine-tuning: 40 people watch a circle of 30 films in order."""

from copy import copy
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from finetune.configs import Config, Recipe
from finetune.data.tasks import Example
from palr.catalog.catalog import Catalog
from palr.data.interactions import Interactions
from palr.domains import DOMAINS
from palr.llm.transformers import TransformersLLM
from palr.retrieval.trainable import Plan
from palr.settings import Settings
from palr.training.train import train as train_retriever
from palr.types import Item

KEYWORDS = ("Animation", "Comedy", "Crime", "Drama", "Horror", "Romance")
N_ITEMS, N_USERS = 30, 40


@pytest.fixture(scope="session")
def films() -> Catalog:
    rng = np.random.default_rng(3)
    items = [
        Item(str(at), f"Film {chr(65 + at % 26)}{at}", 1970 + at, keywords=(KEYWORDS[at % 6],))
        for at in range(N_ITEMS)
    ]
    rows = []
    for user in range(N_USERS):
        start, length = int(rng.integers(N_ITEMS)), int(rng.integers(6, 16))
        watched = [(start + step) % N_ITEMS for step in range(length)]
        rows += [(str(user), items[at].id, time) for time, at in enumerate(watched)]
    interactions = Interactions.from_rows(*zip(*rows, strict=True))
    counts = interactions.popularity
    catalog = tuple(replace(item, popularity=counts.get(item.id, 0)) for item in items)
    return Catalog("ml-100k", DOMAINS["movies"], catalog, partial(copy, interactions))


@pytest.fixture
def own_settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", device="cpu")


@pytest.fixture(scope="session")
def base_folder(tmp_path_factory: pytest.TempPathFactory, tiny_llama: TransformersLLM) -> Path:
    """The tiny LLaMA as a folder that can be loaded."""
    folder = tmp_path_factory.mktemp("tiny-llama")
    tiny_llama.model.save_pretrained(folder)
    tiny_llama.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def ready_home(tmp_path, palr_home, films, base_folder) -> Settings:
    """A home with the sentence model and a retriever; the tiny LLaMA is the model."""
    settings = Settings(home=tmp_path / "home", llm=str(base_folder), dtype="float32", device="cpu")
    settings.home.mkdir()
    (settings.home / "models").symlink_to(palr_home / "models")
    train_retriever("sasrec", films, settings, plan=Plan(epochs=2, batch_size=16), quiet=True)
    return settings


@pytest.fixture
def quick(base_folder: Path) -> Config:
    """A training of a few steps over the tiny LLaMA."""
    return Config(
        base_model=str(base_folder),
        dtype="float32",
        max_steps=4,
        accumulate=2,
        save_steps=2,
        log_steps=1,
        lora_rank=4,
        lora_layers=1,
        candidates=(5, 8),
        learning_rate=1e-2,
    )


@pytest.fixture(scope="session")
def small_recipe() -> Recipe:
    return Recipe(user_share=0.5, candidates=12, held_back=2, retriever_epochs=2)


@pytest.fixture(scope="session")
def listed() -> Example:
    """A worked example of Recommend_Retrieval, over `films`."""
    return Example(
        "Recommend_Retrieval",
        user=0,
        history=("1", "2", "3"),
        answer=("7", "5"),
        candidates=("4", "5", "6", "7", "8"),
        scores=(5.0, 4.0, 3.0, 2.0, 1.0),
    )
