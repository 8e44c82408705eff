"""How fast candidates are found: in the catalog as it is, and in ones 10 and 100 times larger.

Two costs of one visitor are reported apart: the model, which reads the history, and the search for
the best of its scores over all items. An approximate index (faiss, inverted lists) is measured
against the exact search, with the fewest lists that still find `ENOUGH` of the true top 50.

The larger catalogs are synthetic: rows of the real embeddings, drawn with replacement and moved by
noise of half their spread, so that they lie about as real items do.
"""

import random
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from palr.catalog.catalog import Catalog, CatalogStore
from palr.data.interactions import LeaveOneOut
from palr.errors import PalrError, RetrieverUnavailableError
from palr.evaluation.protocol import evaluate
from palr.retrieval import Retriever, available, load_retriever, retrieve
from palr.retrieval.base import top_k
from palr.retrieval.splits import training_data
from palr.settings import Settings
from palr.types import Item

PICKS, CANDIDATES, BATCH = 20, 50, 256
FACTORS = (1, 10, 100)
ENOUGH = 0.95
NOISE = 0.5
_PROBES = (1, 2, 4, 8, 16, 32, 64, 128, 256)

Floats = NDArray[np.float32]
T = TypeVar("T")


@dataclass(frozen=True)
class Approximate:
    """An index at its cheapest setting with enough recall (of the exact top 50), or its best."""

    probes: int
    recall: float
    search_ms: float
    build_s: float


def bench_retrieval(
    catalog: Catalog,
    settings: Settings,
    model: str,
    visits: int,
    say: Callable[[str], None],
    factors: Sequence[int] = FACTORS,
) -> dict[str, Any]:
    """Measure a retriever on one core; returns what ``python -m palr bench retrieval`` writes.

    ``visits`` is the number of single visitors. ``peak_memory_mb`` is the most that the process
    held, libraries included (``ru_maxrss``), up to the line it stands in. ``sizes`` is there for
    models whose scores are one state times item embeddings.

    Raises:
        RetrieverUnavailableError: the model cannot serve the catalog.
        PalrError: faiss is not installed.
    """
    import torch

    faiss = _faiss()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    try:
        retriever = load_retriever(model, catalog, settings)
        say(f"{model} on {catalog.dataset}, {len(retriever.items):,} items, one core")
        result: dict[str, Any] = {
            "dataset": catalog.dataset,
            "model": model,
            "items": len(retriever.items),
            "picks": PICKS,
            "candidates": CANDIDATES,
            "visits": visits,
        }
        result |= _serving(retriever, visits, say)
        result |= _evaluation(retriever, catalog, say)
        result["peak_memory_mb"] = _peak_mb()
        result["sizes"] = _sizes(retriever, visits, factors, faiss, say)
        result["machine"] = _machine(faiss)
    finally:
        torch.set_num_threads(threads)
    return result


def largest_served(model: str, store: CatalogStore, settings: Settings) -> Catalog:
    """The installed data set with the most items that has interactions and serves the model.

    Raises:
        RetrieverUnavailableError: there is none.
    """
    installed = [info for info in store.installed().values() if info.interactions]
    for info in sorted(installed, key=lambda info: -info.items):
        catalog = store.open(info.key)
        if model in available(catalog, settings):
            return catalog
    raise RetrieverUnavailableError(
        f"no installed data set with interactions can be served by {model!r}; run "
        "`python -m palr setup`, or choose another --model"
    )


def _serving(retriever: Retriever, visits: int, say: Callable[[str], None]) -> dict[str, float]:
    generator = random.Random(0)
    histories = [generator.sample(retriever.items, PICKS) for _ in range(max(visits, BATCH))]
    for history in histories[:5]:  # the first passes through a model are slow
        retrieve(retriever, history, CANDIDATES)
    times = [_timed(retrieve, retriever, h, CANDIDATES)[1] for h in histories[:visits]]
    batch = histories[:BATCH]
    batch_ms = _timed(_in_batch, retriever, batch)[1]
    figures = {
        "visitor_p50_ms": round(float(np.percentile(times, 50)), 3),
        "visitor_p95_ms": round(float(np.percentile(times, 95)), 3),
        "batch_visitors_per_second": round(1000 * len(batch) / batch_ms, 1),
    }
    say(
        f"one visitor: {figures['visitor_p50_ms']:.2f} ms (p95 {figures['visitor_p95_ms']:.2f}); "
        f"in batches of {BATCH}: {figures['batch_visitors_per_second']:,.0f} visitors a second"
    )
    return figures


def _evaluation(
    retriever: Retriever, catalog: Catalog, say: Callable[[str], None]
) -> dict[str, float]:
    """Users a second under the protocol, over a sample of at most four batches."""
    data = training_data(catalog)
    split = data.split
    assert isinstance(split, LeaveOneOut)
    users = np.linspace(0, len(split.train) - 1, min(len(split.train), 4 * BATCH)).astype(int)
    sample = replace(
        split,
        train=[split.train[user] for user in users.tolist()],
        validation_targets=split.validation_targets[users],
        test_targets=split.test_targets[users],
    )
    items = {item_id: catalog.item(item_id) for item_id in data.item_ids}
    seconds = evaluate(retriever, sample, items).seconds
    say(f"evaluation: {len(users) / seconds:,.0f} users a second")
    return {"evaluated_users_per_second": round(len(users) / seconds, 1)}


def _sizes(
    retriever: Retriever,
    visits: int,
    factors: Sequence[int],
    faiss: Any,
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    from palr.retrieval.neural import NeuralRetriever
    from palr.retrieval.sequences import TiedModel

    if not isinstance(retriever, NeuralRetriever) or not isinstance(retriever.model, TiedModel):
        say(f"{retriever.name} has no item embeddings to enlarge the catalog with")
        return []
    import torch

    model = retriever.model
    rng = np.random.default_rng(0)
    histories = [rng.choice(len(retriever.items), PICKS, replace=False) for _ in range(visits)]
    real = model.output_embeddings().detach().float().cpu().numpy()
    with torch.inference_mode():
        read = [_timed(model.last_states, [history]) for history in histories]
        queries = torch.cat([state for state, _ in read]).float().cpu().numpy()
    model_ms = float(np.percentile([ms for _, ms in read], 50))
    rows = []
    for factor in factors:
        table = enlarged(real, factor, rng)
        searched = [_timed(_best, torch.from_numpy(table), query) for query in queries]
        exact = [best for best, _ in searched]
        search_ms = float(np.percentile([ms for _, ms in searched], 50))
        index = approximate(table, queries, exact, faiss)
        row = {
            "items": len(table),
            "model_ms": round(model_ms, 3),
            "exact_search_ms": round(search_ms, 3),
            "index_search_ms": round(index.search_ms, 3),
            "index_recall@50": round(index.recall, 4),
            "index_probes": index.probes,
            "index_build_s": round(index.build_s, 1),
            "index_pays": bool(index.recall >= ENOUGH and index.search_ms < search_ms),
            "exact_exceeds_model": search_ms > model_ms,
            "peak_memory_mb": _peak_mb(),
        }
        rows.append(row)
        say(
            f"{len(table):>9,} items: model {model_ms:.2f} ms, exact search {search_ms:.2f} ms, "
            f"index {index.search_ms:.2f} ms (recall@50 {index.recall:.3f}, built in "
            f"{index.build_s:.0f} s), peak {row['peak_memory_mb']:,} MB"
        )
    return rows


def enlarged(table: Floats, factor: int, rng: np.random.Generator) -> Floats:
    """``factor`` times as many rows: the table (items, width) itself, then synthetic items."""
    drawn = table[rng.integers(len(table), size=len(table) * (factor - 1))]
    noise = rng.standard_normal(drawn.shape, dtype=np.float32)
    drawn += noise * (NOISE * table.std(axis=0))
    return np.concatenate([table, drawn])


def approximate(
    table: Floats, queries: Floats, exact: Sequence[NDArray[np.int64]], faiss: Any
) -> Approximate:
    """Build an index of inverted lists over the table and measure it on the queries.

    ``exact[q]`` are the true best rows for query ``q`` (queries, width).
    """
    started = time.perf_counter()
    lists = max(1, round(len(table) ** 0.5))
    metric = faiss.METRIC_INNER_PRODUCT
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(table.shape[1]), table.shape[1], lists, metric)
    index.cp.max_points_per_centroid = 64
    index.train(table)
    index.add(table)
    build_s = time.perf_counter() - started
    tried = []
    for probes in (probes for probes in (*_PROBES, lists) if probes <= lists):
        index.nprobe = probes
        found = [_timed(index.search, query[None], CANDIDATES) for query in queries]
        pairs = zip((best[0] for (_, best), _ in found), exact, strict=True)
        recall = float(np.mean([len(np.intersect1d(f, e)) / len(e) for f, e in pairs]))
        search_ms = float(np.percentile([ms for _, ms in found], 50))
        tried.append(Approximate(probes, recall, search_ms, build_s))
        if recall >= ENOUGH:
            break
    return tried[-1]


def _in_batch(retriever: Retriever, histories: Sequence[Sequence[Item]]) -> list[NDArray[np.int64]]:
    return [top_k(row, CANDIDATES + PICKS) for row in retriever.score(histories)]


def _best(table: Any, query: Floats) -> NDArray[np.int64]:
    """The exact top of a torch table (items, width), as a model of this kind searches it."""
    return top_k((table @ table.new_tensor(query)).numpy(), CANDIDATES)


def _timed(work: Callable[..., T], *arguments: Any) -> tuple[T, float]:
    """What ``work`` returns, and the milliseconds that it took."""
    begin = time.perf_counter()
    result = work(*arguments)
    return result, 1000 * (time.perf_counter() - begin)


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _machine(faiss: Any) -> dict[str, str]:
    import platform

    import torch

    return {
        "cpu": platform.processor() or platform.machine(),
        "threads": "1",
        "torch": torch.__version__,
        "numpy": np.__version__,
        "faiss": faiss.__version__,
    }


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise PalrError(
            "the retrieval bench compares with a faiss index; run `pip install faiss-cpu`"
        ) from error
    return faiss
