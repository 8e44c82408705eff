"""The catalog as a map: its embeddings in the two directions in which they differ most (PCA)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from palr.retrieval.semantic import SemanticRetriever
from palr.types import Item

BACKGROUND = 2000  # points at most: more would only make the page heavy


@dataclass(frozen=True, eq=False)
class Plane:
    """``axes`` is (2, dimensions), orthonormal; ``share`` of the variance lies in the plane."""

    axes: NDArray[np.float32]
    share: float

    def place(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Positions (n, 2) of vectors (n, dimensions)."""
        return vectors @ self.axes.T


def plane(vectors: NDArray[np.float32]) -> Plane:
    """The two first principal axes of centred ``vectors`` (n, dimensions); signs are fixed, so
    that a map looks the same each time."""
    centred = vectors - vectors.mean(axis=0)
    values, axes = np.linalg.eigh(centred.T @ centred)
    best = axes[:, ::-1][:, :2].T
    signs = np.sign(best[np.arange(len(best)), np.abs(best).argmax(axis=1)])
    total = float(values.sum())
    share = float(values[-2:].sum()) / total if total > 0 else 0.0
    return Plane((best * signs[:, None]).astype(np.float32), share)


def background(n_items: int, limit: int = BACKGROUND) -> NDArray[np.int64]:
    """Rows of the items that are drawn: all, or as many at even distances in the catalog."""
    if n_items <= limit:
        return np.arange(n_items)
    return np.linspace(0, n_items - 1, limit).astype(np.int64)


def nearest(
    retriever: SemanticRetriever, items: Sequence[Item], picks: Sequence[Item]
) -> list[tuple[Item, float] | None]:
    """For each item the pick that means most nearly the same, and their cosine; None where one of
    the two is unknown."""
    row = {item.id: at for at, item in enumerate(retriever.items)}
    known = [pick for pick in picks if pick.id in row]
    if not known:
        return [None] * len(items)
    theirs = retriever.vectors[[row[pick.id] for pick in known]]
    found: list[tuple[Item, float] | None] = []
    for item in items:
        if item.id not in row:
            found.append(None)
            continue
        cosines = theirs @ retriever.vectors[row[item.id]]
        best = int(cosines.argmax())
        found.append((known[best], float(cosines[best])))
    return found
