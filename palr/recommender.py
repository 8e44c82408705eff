"""The data path of the paper: picks, history, profile, candidates, prompt, ranking."""

import math
import secrets
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import replace
from typing import TypeVar

from palr.catalog import Catalog
from palr.domains import HISTORY_LIMIT
from palr.errors import LLMError, PalrError, RetrieverUnavailableError
from palr.llm.base import LLM, TokenLLM
from palr.profile import fit_profile_prompt, write_profile
from palr.ranking import DEFAULT_MODE, fit_ranking_prompt, rank, ranking_beginning
from palr.retrieval.base import Retriever, retrieve
from palr.types import Candidate, Item, Profile, RankedItem, Ranking, Recommendation

K = 10
N_CANDIDATES = 50  # paper, section 4.2: the top 50 of SASRec
COLD_START = "semantic"
_T = TypeVar("_T")


class Recommender:
    """Runs the data path over one catalog.

    ``retrievers`` loads a retriever by its name; ``llm`` gives the language model, waiting for it
    where it is still being loaded. ``running`` is entered for the length of each run.
    """

    def __init__(
        self,
        catalog: Catalog,
        retrievers: Callable[[str], Retriever],
        llm: Callable[[], LLM],
        default_retriever: str = "auto",
        running: AbstractContextManager[object] | None = None,
    ):
        self.catalog = catalog
        self._retrievers = retrievers
        self._llm = llm
        self._default_retriever = default_retriever
        self._running = running or nullcontext()

    def recommend(
        self,
        picks: Sequence[Item],
        *,
        retriever: str | None = None,
        mode: str | None = None,
        n_candidates: int = N_CANDIDATES,
        k: int = K,
    ) -> Recommendation:
        """Run every stage and return the complete trace; arguments and errors as in `stream`."""
        *_, trace = self.stream(
            picks, retriever=retriever, mode=mode, n_candidates=n_candidates, k=k
        )
        return trace

    def stream(
        self,
        picks: Sequence[Item],
        *,
        retriever: str | None = None,
        mode: str | None = None,
        n_candidates: int = N_CANDIDATES,
        k: int = K,
        patience: float | None = None,
    ) -> Generator[Recommendation]:
        """Yield the trace anew each time it grows; closing the iterator cancels the run.

        The very same trace may come again: between any two forward passes of the model there is a
        yield, so that a run can be cancelled there.

        ``mode`` is one of `palr.ranking.MODES`; without one, the adapter's own, or the paper's.

        ``picks`` run oldest first. The retriever sees them all; the LLM sees the last 20.

        ``patience``: seconds that the LLM may take. Where it takes longer, fails or cannot be
        loaded, the ranking is the retriever's order, and ``fallback`` of the trace says why. None
        waits for ever and raises.

        Raises:
            PalrError: there is no pick, or no retriever can serve the picks.
            LLMError: the model cannot be loaded, or failed; only where ``patience`` is None.
        """
        if not picks:
            raise PalrError(f"pick at least one {self.catalog.domain.noun} first")
        with self._running:
            yield from self._stream(picks, retriever, mode, n_candidates, k, patience)

    def read_ahead(
        self, picks: Sequence[Item], *, mode: str | None = None, k: int = K
    ) -> Iterator[None]:
        """Let the model read what a run with these picks begins with: history and instructions.

        One forward pass a step. A model behind HTTP reads nothing.

        Raises:
            LLMError: the model cannot be loaded, or failed.
        """
        llm = self._llm()
        if not picks or not isinstance(llm, TokenLLM):
            return
        domain = self.catalog.domain
        history = domain.history(picks)[-HISTORY_LIMIT:]
        yield from llm.read_ahead(fit_profile_prompt(history, self.catalog, llm).text)
        mode = mode or default_mode(llm)
        yield from llm.read_ahead(ranking_beginning(domain, history, k, llm, mode))

    def _stream(
        self,
        picks: Sequence[Item],
        retriever: str | None,
        mode: str | None,
        n_candidates: int,
        k: int,
        patience: float | None,
    ) -> Generator[Recommendation]:
        clock = _Clock()
        domain = self.catalog.domain
        history = domain.history(picks)
        run_id = secrets.token_hex(6)
        dataset = self.catalog.dataset
        trace = Recommendation(domain.key, dataset, tuple(picks), history, run_id=run_id)
        if len(history) > HISTORY_LIMIT:
            note = f"the prompts show the most recent {HISTORY_LIMIT} of {len(history)} picks"
            trace = replace(trace, notes=(note,))
        trace = replace(trace, seconds=clock.stage("history"))
        yield trace

        llm: LLM | None = None
        deadline = math.inf
        try:
            llm = self._llm()
            mode = mode or default_mode(llm)
            trace = replace(trace, llm=_llm_name(llm), adapter=llm.adapter, mode=mode)
            if llm.modes and mode not in llm.modes:
                trained = " and ".join(repr(name) for name in llm.modes)
                note = f"the adapter {llm.adapter} was trained for {trained}, not for {mode!r}"
                trace = replace(trace, notes=(*trace.notes, note))
            clock.restart()  # waiting for the model to load is not part of the profile's time
            deadline = time.monotonic() + (math.inf if patience is None else patience)
            written = write_profile(history[-HISTORY_LIMIT:], self.catalog, llm)
            for profile in _until(deadline, written):
                if profile is not trace.profile:
                    trace = replace(trace, profile=profile)
                yield trace
        except LLMError as error:
            if patience is None:
                raise
            llm = None
            trace = replace(trace, profile=trace.profile or Profile(), fallback=str(error))
        trace = replace(trace, seconds=clock.stage("profile"))
        yield trace

        used, candidates, notes = self._retrieve(history, retriever, n_candidates)
        trace = replace(trace, retriever=used, candidates=candidates, notes=trace.notes + notes)
        trace = replace(trace, seconds=clock.stage("candidates"))
        yield trace

        if llm is not None:
            prompt, names = fit_ranking_prompt(
                domain, history[-HISTORY_LIMIT:], trace.profile, candidates, k, llm, trace.mode
            )
            trace = replace(trace, prompt=prompt)
            yield trace
            try:
                ranked = rank(prompt, names, candidates, llm, k, trace.mode)
                for ranking in _until(deadline, ranked):
                    if ranking != trace.ranking:
                        trace = replace(trace, ranking=ranking)
                    yield trace
            except LLMError as error:
                if patience is None:
                    raise
                trace = replace(trace, fallback=str(error))
        if trace.fallback:
            trace = replace(trace, ranking=_retrievers_order(candidates, k))
        clock.stage("ranking")
        yield replace(trace, seconds=clock.total())

    def _retrieve(
        self, history: Sequence[Item], name: str | None, k: int
    ) -> tuple[str, tuple[Candidate, ...], tuple[str, ...]]:
        """Candidates, who found them, and a note where another retriever had to step in."""
        retriever = self._retrievers(name or self._default_retriever)
        try:
            return retriever.name, retrieve(retriever, history, k), ()
        except RetrieverUnavailableError as error:
            if retriever.name == COLD_START:
                raise
            stand_in = self._retrievers(COLD_START)
            note = (
                f"{retriever.name} could not serve these picks ({error}); {COLD_START} stepped in"
            )
            return stand_in.name, retrieve(stand_in, history, k), (note,)


def _until(deadline: float, pieces: Generator[_T]) -> Generator[_T]:
    """What ``pieces`` yields; LLMError where it goes on after ``deadline`` (`time.monotonic`)."""
    late = False
    with closing(pieces):
        for piece in pieces:
            if late:
                raise LLMError(
                    "the language model took too long: set PALR_LLM_SECONDS to wait longer"
                )
            yield piece
            late = time.monotonic() > deadline


def _retrievers_order(candidates: Sequence[Candidate], k: int) -> Ranking:
    items = enumerate(candidates[:k], start=1)
    return Ranking(tuple(RankedItem(c.item, place, c.rank) for place, c in items))


def default_mode(llm: LLM) -> str:
    """The mode that the model's adapter was trained for first, else the paper's."""
    return llm.modes[0] if llm.modes else DEFAULT_MODE


class _Clock:
    """Seconds of each stage, in order."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._begin = time.perf_counter()

    def restart(self) -> None:
        self._begin = time.perf_counter()

    def stage(self, name: str) -> dict[str, float]:
        now = time.perf_counter()
        self._seconds[name] = now - self._begin
        self._begin = now
        return dict(self._seconds)

    def total(self) -> dict[str, float]:
        return {**self._seconds, "total": sum(self._seconds.values())}


def _llm_name(llm: LLM) -> str:
    return f"{llm.name} + {llm.adapter}" if llm.adapter else llm.name
