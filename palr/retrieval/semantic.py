"""Semantic retrieval: items whose text means something close to the picks'.

All-MiniLM-L6-v2 turns ``label. keyword, keyword`` into a vector. It needs no interactions, and so
serves catalogs that have none, items that nobody chose yet, and visitors whose picks a trained
model does not know.

    "Toy Story (1995). Animation, Children's, Comedy"
    v_i = unit(e_i - mean(e))
    score(i | h_1 ... h_n) = log(sum_j w_j exp(v_i . v_hj / T)),  w_j ~ DECAY ** (n - j)

Subtracting the catalog's mean removes what all its texts share; it lifts HR@50 on the validation
items of ML-100K from 0.17 to 0.23. The soft maximum lets an item be close to one recent pick
without being close to all; T and DECAY were chosen on the same items and those of Beauty, against
plain means and maxima of several decays.
"""

import copy
import hashlib
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from palr.data.manifest import MANIFEST
from palr.data.progress import Bars, Progress
from palr.errors import RetrieverUnavailableError, UnwritableError
from palr.files import replacing
from palr.model_lock import LOADING
from palr.settings import MINILM, Settings
from palr.types import Item

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from palr.catalog.catalog import Catalog

DECAY = 0.8
TEMPERATURE = 0.2
BATCH = 64

_embedding = threading.Lock()


class SemanticRetriever:
    """Scores items by the similarity of their texts to the history's.

    Args:
        items: The items that it can return.
        vectors: The sentence model's unit vectors, float32 (items, dimensions).

    Attributes:
        vectors: The same after subtracting their mean, normalised again.
    """

    name = "semantic"

    def __init__(self, items: Sequence[Item], vectors: NDArray[np.float32]) -> None:
        self._mean = vectors.mean(axis=0)
        self._place(items, self._centred(vectors))

    def joined(self, items: Sequence[Item], vectors: NDArray[np.float32]) -> "SemanticRetriever":
        """A retriever of further items too; the mean that is subtracted stays the catalog's.

        Args:
            items: The further items.
            vectors: Their unit vectors (items, dimensions), as the sentence model gives them.
        """
        other = copy.copy(self)
        other._place((*self.items, *items), np.vstack([self.vectors, self._centred(vectors)]))
        return other

    def _place(self, items: Sequence[Item], vectors: NDArray[np.float32]) -> None:
        self.items = tuple(items)
        self.vectors = vectors
        self._row = {item.id: at for at, item in enumerate(self.items)}

    def _centred(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        centred = vectors - self._mean
        norms = np.linalg.norm(centred, axis=1, keepdims=True)
        unit: NDArray[np.float32] = (centred / np.maximum(norms, 1e-6)).astype(np.float32)
        return unit

    def likeness(self, items: Sequence[Item], others: Sequence[Item]) -> NDArray[np.float32]:
        """Cosines (items, others) between what they mean; 0 for an item that is not known."""
        cosines: NDArray[np.float32] = self._vectors_of(items) @ self._vectors_of(others).T
        return cosines

    def _vectors_of(self, items: Sequence[Item]) -> NDArray[np.float32]:
        rows = np.array([self._row.get(item.id, -1) for item in items], np.int64)
        vectors = self.vectors[rows]
        vectors[rows < 0] = 0.0
        return vectors

    def score(self, histories: Sequence[Sequence[Item]]) -> NDArray[np.float32]:
        """See `Retriever.score`; scores lie in [-1 / T, 1 / T]."""
        return np.stack([self._score(history) for history in histories])

    def _score(self, history: Sequence[Item]) -> NDArray[np.float32]:
        rows = [self._row[item.id] for item in history if item.id in self._row]
        if not rows:
            raise RetrieverUnavailableError(
                "the semantic retriever knows none of the picks; pick an item of this catalog"
            )
        weights = DECAY ** np.arange(len(rows))[::-1]
        cosines = self.vectors @ self.vectors[rows].T
        mass = np.exp(cosines / TEMPERATURE) @ (weights / weights.sum()).astype(np.float32)
        scores: NDArray[np.float32] = np.log(mass).astype(np.float32)
        return scores


def missing(catalog: "Catalog", settings: Settings) -> str | None:
    """Why the semantic retriever cannot serve, or None; looks at file names only."""
    folder = settings.model_path(MINILM)
    if (folder / "modules.json").is_file():
        return None
    return f"the sentence model is not in {folder}; run `python -m palr setup`"


def load(
    catalog: "Catalog", settings: Settings, progress: Progress | None = None
) -> SemanticRetriever:
    """Embed the catalog, or read the embeddings of an earlier run, see `embed_kept`.

    Args:
        catalog: The catalog.
        settings: Where the sentence model and the embeddings lie.
        progress: Replaces the progress bar of the computation.

    Raises:
        RetrieverUnavailableError: the sentence model is missing or damaged, or there are no items.
    """
    reason = missing(catalog, settings)
    if reason is None and not catalog.items:
        reason = f"{catalog.dataset} holds no items; run `python -m palr setup`"
    if reason:
        raise RetrieverUnavailableError(reason)
    texts = [item_text(item) for item in catalog.items]
    vectors = embed_kept(texts, catalog.dataset, settings, progress)
    return SemanticRetriever(catalog.items, vectors)


def embed_kept(
    texts: Sequence[str], name: str, settings: Settings, progress: Progress | None = None
) -> NDArray[np.float32]:
    """`embed`, or the embeddings of an earlier run from ``PALR_HOME/embeddings``.

    A file is used only for the very texts and model it was made from. A damaged one is made anew;
    where none can be written, the embeddings are computed each time.

    Args:
        texts: The texts.
        name: The beginning of the file's name.
        settings: Where the sentence model and the embeddings lie.
        progress: Replaces the progress bar of the computation.

    Returns:
        Unit vectors, float32 (texts, dimensions).

    Raises:
        RetrieverUnavailableError: the model does not load.
    """
    folder = settings.model_path(MINILM)
    cache = settings.home / "embeddings" / f"{name}-{_fingerprint(texts, folder)}.npy"
    with _embedding:  # a second visitor waits for the first one's embeddings
        vectors = _read(cache, len(texts))
        if vectors is None:
            vectors = embed(texts, folder, progress)
            # A read-only home costs time, not the answer.
            with suppress(UnwritableError), replacing(cache) as file:
                np.save(file, vectors)
    return vectors


def item_text(item: Item) -> str:
    """What the sentence model reads of an item."""
    return f"{item.label.rstrip('. ')}. {', '.join(item.keywords)}".rstrip()


def embed(
    texts: Sequence[str], folder: Path, progress: Progress | None = None
) -> NDArray[np.float32]:
    """Embed texts with a sentence model.

    Args:
        texts: The texts.
        folder: The model's folder, in the format of sentence-transformers.
        progress: Replaces the progress bar.

    Returns:
        Unit vectors, float32 (texts, dimensions).

    Raises:
        RetrieverUnavailableError: the model does not load.
    """
    with LOADING:
        try:
            model = _sentence_model(folder)
        except Exception as error:  # the loader raises whatever its many file formats meet
            raise RetrieverUnavailableError(
                f"the sentence model in {folder} does not load ({error}); delete the folder and "
                "run `python -m palr setup`"
            ) from error
    # Texts of like length share a batch, so that little of it is padding.
    order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
    parts = []
    with Bars() as bars:
        report = progress or bars
        for start in range(0, len(order), BATCH):
            batch = [texts[at] for at in order[start : start + BATCH]]
            parts.append(model.encode(batch, normalize_embeddings=True, show_progress_bar=False))
            report("Embedding the catalog", start + len(batch), len(texts), "items")
    vectors = np.empty((len(texts), parts[0].shape[1]), np.float32)
    vectors[order] = np.concatenate(parts)
    return vectors


@lru_cache(maxsize=1)
def _sentence_model(folder: Path) -> "SentenceTransformer":
    """Kept once loaded: a wish is read while somebody waits."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def _fingerprint(texts: Sequence[str], folder: Path) -> str:
    digest = hashlib.sha256("\n".join(texts).encode())
    for path in sorted(folder.rglob("*")):
        # The manifest holds the files' times, which a copy of the folder changes.
        if path.suffix in {".json", ".safetensors", ".txt"} and path.name != MANIFEST:
            digest.update(path.relative_to(folder).as_posix().encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def _read(path: Path, n_items: int) -> NDArray[np.float32] | None:
    """The cached vectors, or None where there are none or they are damaged."""
    try:
        vectors = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    whole = vectors.dtype == np.float32 and vectors.ndim == 2 and len(vectors) == n_items
    if not whole or not np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-3):
        return None
    return np.asarray(vectors)
