import os
import shutil
from dataclasses import replace

import numpy as np
import pytest

from palr.catalog.catalog import Catalog
from palr.data.manifest import MANIFEST
from palr.errors import RetrieverUnavailableError
from palr.retrieval import retrieve, semantic
from palr.retrieval.semantic import SemanticRetriever, item_text
from palr.settings import MINILM
from palr.types import Item


@pytest.fixture
def embeddings(monkeypatch):
    """Counts how often a catalog was really embedded."""
    calls = []
    embed = semantic.embed

    def counted(texts, *arguments):
        calls.append(len(texts))
        return embed(texts, *arguments)

    monkeypatch.setattr(semantic, "embed", counted)
    return calls


def caches(settings):
    return sorted((settings.home / "embeddings").glob("*"))


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (Item("1", "Toy Story", 1995, keywords=("Animation", "Comedy")),
         "Toy Story (1995). Animation, Comedy"),
        (Item("2", "Gel, 1 oz."), "Gel, 1 oz."),
        (Item("3", "Lacquer", brand="OPI", keywords=("Nails",)), "OPI Lacquer. Nails"),
    ],
)  # fmt: skip
def test_the_text_of_an_item(item, text):
    assert item_text(item) == text


def test_the_nearest_in_meaning_comes_first():
    items = [Item(letter, letter.upper()) for letter in "abcd"]
    vectors = np.array([[1, 0], [0.9, 0.1], [-1, 0.2], [-0.9, -0.2]], np.float32)
    model = SemanticRetriever(items, vectors)
    assert retrieve(model, [items[0]], 3)[0].item.id == "b"
    assert retrieve(model, [items[2]], 3)[0].item.id == "d"


def test_the_score_by_hand():
    items = [Item(letter, letter.upper()) for letter in "abcd"]
    vectors = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]], np.float32)  # their mean is 0
    model = SemanticRetriever(items, vectors)
    old, new = 0.8 / 1.8, 1 / 1.8
    expected = np.log(old * np.exp(0 / 0.2) + new * np.exp(1 / 0.2))
    assert model.score([[items[0], items[2]]])[0, 2] == pytest.approx(expected, rel=1e-5)
    assert model.score([[items[2]]])[0] == pytest.approx([0, 0, 5, -5], abs=1e-5)


def test_one_item_or_equal_texts_do_not_divide_by_zero():
    items = [Item("a", "A"), Item("b", "A")]
    model = SemanticRetriever(items, np.ones((2, 3), np.float32) / 3**0.5)
    assert np.isfinite(model.score([items])).all()


def test_embeddings_are_computed_once(bare_catalog, fresh_settings, embeddings):
    first = semantic.load(bare_catalog, fresh_settings)
    again = semantic.load(bare_catalog, fresh_settings)
    assert embeddings == [len(bare_catalog.items)]
    history = [list(bare_catalog.items[:3])]
    np.testing.assert_array_equal(first.score(history), again.score(history))
    assert [path.suffix for path in caches(fresh_settings)] == [".npy"]
    assert caches(fresh_settings)[0].name.startswith("bare-")


def test_a_copied_model_makes_no_new_embeddings(bare_catalog, fresh_settings, embeddings):
    semantic.load(bare_catalog, fresh_settings)
    folder = fresh_settings.model_path(MINILM)
    original = folder.resolve()
    folder.unlink()
    shutil.copytree(original, folder)
    (folder / MANIFEST).write_text("{}")  # it holds the files' times
    semantic.load(bare_catalog, fresh_settings)
    assert embeddings == [len(bare_catalog.items)]


def test_a_changed_text_is_embedded_anew(bare_catalog, fresh_settings, embeddings):
    semantic.load(bare_catalog, fresh_settings)
    items = (replace(bare_catalog.items[0], keywords=("Western",)), *bare_catalog.items[1:])
    semantic.load(Catalog("bare", bare_catalog.domain, items), fresh_settings)
    assert len(embeddings) == 2


def test_another_model_is_embedded_anew(bare_catalog, fresh_settings, embeddings):
    semantic.load(bare_catalog, fresh_settings)
    folder = fresh_settings.model_path(MINILM)
    source = folder.resolve()
    folder.unlink()
    shutil.copytree(source, folder)
    config = folder / "config_sentence_transformers.json"
    config.write_text(config.read_text() + " ")
    semantic.load(bare_catalog, fresh_settings)
    assert len(embeddings) == 2


def truncate(content):
    return content[: len(content) // 2]


def overwrite(content):
    return content[:-400] + b"\x00" * 400


@pytest.mark.parametrize("damage", [truncate, overwrite, lambda content: b""])
def test_a_damaged_cache_is_made_anew(bare_catalog, fresh_settings, embeddings, damage):
    history = [list(bare_catalog.items[:2])]
    expected = semantic.load(bare_catalog, fresh_settings).score(history)
    (cache,) = caches(fresh_settings)
    cache.write_bytes(damage(cache.read_bytes()))
    again = semantic.load(bare_catalog, fresh_settings).score(history)
    assert len(embeddings) == 2
    np.testing.assert_allclose(again, expected, atol=1e-5)
    semantic.load(bare_catalog, fresh_settings)
    assert len(embeddings) == 2


def test_a_home_that_cannot_be_written_costs_only_time(bare_catalog, fresh_settings, embeddings):
    (fresh_settings.home / "embeddings").write_text("in the way, even for root")
    for _ in range(2):
        model = semantic.load(bare_catalog, fresh_settings)
        assert len(retrieve(model, bare_catalog.items[:1], 5)) == 5
    assert len(embeddings) == 2


def test_a_cache_that_cannot_be_written_is_read(bare_catalog, fresh_settings, embeddings):
    semantic.load(bare_catalog, fresh_settings)
    folder = fresh_settings.home / "embeddings"
    caches(fresh_settings)[0].chmod(0o444)
    folder.chmod(0o555)
    try:
        semantic.load(bare_catalog, fresh_settings)
    finally:
        folder.chmod(0o755)
    assert len(embeddings) == 1


def test_progress_is_reported_to_the_end(bare_catalog, fresh_settings):
    seen = []
    semantic.load(bare_catalog, fresh_settings, lambda *report: seen.append(report))
    assert seen[-1] == ("Embedding the catalog", 27, 27, "items")


def test_a_missing_model_names_the_remedy(bare_catalog, fresh_settings):
    os.unlink(fresh_settings.model_path(MINILM))
    with pytest.raises(RetrieverUnavailableError, match="palr setup"):
        semantic.load(bare_catalog, fresh_settings)


def test_a_damaged_model_names_the_remedy(bare_catalog, fresh_settings):
    folder = fresh_settings.model_path(MINILM)
    folder.unlink()
    folder.mkdir()
    (folder / "modules.json").write_text("[{")
    with pytest.raises(RetrieverUnavailableError, match="palr setup"):
        semantic.load(bare_catalog, fresh_settings)


def test_an_empty_catalog_is_refused(bare_catalog, fresh_settings):
    with pytest.raises(RetrieverUnavailableError, match="no items"):
        semantic.load(Catalog("bare", bare_catalog.domain, ()), fresh_settings)
