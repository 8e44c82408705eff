"""A small world: 60 people watch a circle of 24 films in order, and hardly anyone 3 others."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from palr.catalog.catalog import Catalog
from palr.data.interactions import Interactions, LeaveOneOut
from palr.domains import DOMAINS
from palr.retrieval import weights
from palr.retrieval.trainable import Plan
from palr.settings import MINILM, Settings
from palr.training.train import train, trainable
from palr.types import Item

KEYWORDS = ("Animation", "Comedy", "Crime", "Drama", "Horror", "Romance")
N_ITEMS, N_RARE, N_USERS = 24, 3, 60
QUICK = Plan(epochs=2, batch_size=16, lr=3e-3, warmup=0.2)


@pytest.fixture(scope="session")
def small_items() -> tuple[Item, ...]:
    return tuple(
        Item(
            str(100 + at),
            f"Film {chr(65 + at % 26)}{at}",
            year=1970 + at,
            keywords=(KEYWORDS[at % 6], KEYWORDS[at // 6 % 6]),
        )
        for at in range(N_ITEMS + N_RARE)
    )


@pytest.fixture(scope="session")
def small_catalog(small_items: tuple[Item, ...]) -> Catalog:
    rng = np.random.default_rng(1)
    rows = []
    for user in range(N_USERS):
        start, length = int(rng.integers(N_ITEMS)), int(rng.integers(6, 12))
        watched = [(start + step) % N_ITEMS for step in range(length)]
        if user < N_RARE:
            watched.append(N_ITEMS + user)  # one viewer each: not in the 5-core
        rows += [(str(user), small_items[at].id, time) for time, at in enumerate(watched)]
    interactions = Interactions.from_rows(*zip(*rows, strict=True))
    counts = interactions.popularity
    items = tuple(replace(item, popularity=counts.get(item.id, 0)) for item in small_items)
    return Catalog("small", DOMAINS["movies"], items, lambda: interactions)


@pytest.fixture
def four_films(small_items: tuple[Item, ...]) -> LeaveOneOut:
    """Two users who began with the first two films; the other two are held out."""
    return LeaveOneOut(
        train=[np.array([0, 1]), np.array([0, 1])],
        validation_targets=np.array([2, 2]),
        test_targets=np.array([3, 3]),
        item_ids=tuple(item.id for item in small_items[:4]),
    )


@pytest.fixture(scope="session")
def bare_catalog(small_items: tuple[Item, ...]) -> Catalog:
    """The same films, with nobody's interactions."""
    return Catalog("bare", DOMAINS["movies"], small_items)


@pytest.fixture(scope="session")
def sentence_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence-transformers folder with an untrained miniature of MiniLM."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("sentence-model")
    letters = [*"abcdefghijklmnopqrstuvwxyz0123456789().,'"]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters)]
    (folder / "vocab.txt").write_text("\n".join(words))
    tokenizer = BertTokenizerFast(vocab_file=str(folder / "vocab.txt"))
    torch.manual_seed(5)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
    )
    BertModel(config).save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    transformer = Transformer(str(folder / "bert"))
    pooling = Pooling(transformer.get_embedding_dimension())
    SentenceTransformer(modules=[transformer, pooling]).save(str(folder / "model"))
    return folder / "model"


@pytest.fixture(scope="session")
def home(
    tmp_path_factory: pytest.TempPathFactory, small_catalog: Catalog, sentence_model: Path
) -> Path:
    """A home in which every retriever can serve the small catalog."""
    home = tmp_path_factory.mktemp("home")
    settings = Settings(home=home)
    folder = settings.model_path(MINILM)
    folder.parent.mkdir(parents=True)
    folder.symlink_to(sentence_model, target_is_directory=True)
    for model in trainable():
        train(model, small_catalog, settings, seed=0, plan=QUICK, quiet=True)
    return home


@pytest.fixture(scope="session")
def small_settings(home: Path) -> Settings:
    return Settings(home=home)


@pytest.fixture
def fresh_settings(tmp_path: Path, sentence_model: Path) -> Settings:
    """A home of the test's own with the sentence model and nothing else."""
    settings = Settings(home=tmp_path / "home")
    folder = settings.model_path(MINILM)
    folder.parent.mkdir(parents=True)
    folder.symlink_to(sentence_model, target_is_directory=True)
    return settings


@pytest.fixture
def trained(
    small_catalog: Catalog, tmp_path: Path
) -> Callable[..., tuple[Settings, weights.RunRecord]]:
    """Trains a SASRec in a home of the test's own; keyword arguments go to `train`."""

    def run(**arguments: object) -> tuple[Settings, weights.RunRecord]:
        settings = Settings(home=tmp_path / "trained")
        arguments = {"plan": QUICK, "quiet": True, **arguments}
        return settings, train("sasrec", small_catalog, settings, **arguments)  # type: ignore[arg-type]

    return run
