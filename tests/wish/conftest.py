"""The two catalogs of a fresh installation, and one sentence model for all tests."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from palr.catalog.catalog import Catalog, CatalogStore
from palr.settings import MINILM, Settings
from palr.wish.lexicon import Embed


@pytest.fixture(scope="session")
def catalogs(settings: Settings) -> dict[str, Catalog]:
    store = CatalogStore(settings.catalog_url)
    return {"movies": store.open("ml-100k"), "beauty": store.open("beauty-starter")}


@pytest.fixture(scope="session")
def embed(settings: Settings) -> Embed:
    from sentence_transformers import SentenceTransformer

    folder = settings.model_path(MINILM)
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)

    def vectors(texts: Sequence[str], keep: bool = False) -> NDArray[np.float32]:
        return model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)

    return vectors
