"""The data path of the paper: picks, history, profile, candidates, prompt, ranking."""

import copy
import math
import secrets
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import replace
from typing import TypeVar

from palr.candidates import COLD_START, CandidateStage, Retrieved
from palr.catalog.catalog import Catalog
from palr.domains import HISTORY_LIMIT
from palr.edits import check as check_edits
from palr.edits import edited_job, given_profile
from palr.errors import LLMError, PalrError
from palr.llm.base import LLM, TokenLLM, last
from palr.profile import fit_profile_prompt
from palr.profile_stage import ProfileStage
from palr.ranking import (
    default_mode,
    mixed_ranking,
    rank,
    ranking_beginning,
    ranking_job,
    scored_mode,
)
from palr.retrieval.base import Retriever
from palr.retrieval.own_items import Embed, join
from palr.retrieval.steer import Likeness
from palr.steering import Read, check, steering, wish_in_prompt
from palr.types import (
    Asked,
    Candidate,
    Item,
    Profile,
    RankedItem,
    Ranking,
    Recommendation,
    Wish,
    Writing,
)

DEFAULT = Asked()
K, N_CANDIDATES = DEFAULT.k, DEFAULT.n_candidates
ZERO_SHOT = "zero-shot"  # the name by which no adapter is asked for
_T = TypeVar("_T")


class Recommender:
    """Runs the data path over one catalog.

    ``retrievers`` loads a retriever by its name; ``llm`` gives the language model, waiting for it
    where it is still being loaded. ``running`` is entered for the length of each run. ``adapters``
    gives the model with an adapter by its name, or `ZERO_SHOT`; None where there is no choice.
    ``embed`` reads the items that visitors bring; without it there are none. ``writing`` is how
    profiles are written where a run does not say.
    """

    def __init__(
        self,
        catalog: Catalog,
        retrievers: Callable[[str], Retriever],
        llm: Callable[[], LLM],
        default_retriever: str = "auto",
        running: AbstractContextManager[object] | None = None,
        adapters: Callable[[str], LLM] | None = None,
        embed: Embed | None = None,
        read: Read | None = None,
        writing: Writing = "auto",
    ):
        self.catalog = catalog
        self._retrievers = retrievers
        self._llm = llm
        self._default_retriever = default_retriever
        self._running = running or nullcontext()
        self._adapters = adapters
        self._embed = embed
        self._read = read
        self._writing = writing

    @property
    def _candidates(self) -> CandidateStage:
        return CandidateStage(self.catalog, self._retrievers, self._default_retriever)

    def recommend(self, picks: Sequence[Item], asked: Asked = DEFAULT) -> Recommendation:
        """Run every stage and return the complete trace; arguments and errors as in `stream`."""
        return last(self.stream(picks, asked))

    def stream(
        self,
        picks: Sequence[Item],
        asked: Asked = DEFAULT,
        *,
        patience: float | None = None,
        earlier: Recommendation | None = None,
    ) -> Generator[Recommendation | None]:
        """Yield the trace anew each time it grows, and None wherever the run can be cancelled.

        Closing the iterator cancels the run.

        Args:
            picks: Oldest first. The retriever sees them all; the LLM sees the last 20.
            asked: How to run.
            patience: Seconds that the LLM may take. Where it takes longer, fails or cannot be
                loaded, the ranking is the retriever's order, and ``fallback`` of the trace says
                why. None waits for ever and raises. An answer of which nothing can be used is a
                fallback in either case.
            earlier: A run over the same picks, whose profile is taken where it would come out the
                same.

        Raises:
            PalrError: there is neither a pick nor a wish, no retriever can serve the picks, or a
                wish or an edit leaves its bounds or leaves nothing to work with.
            LLMError: the model cannot be loaded, or failed; only where ``patience`` is None.
        """
        check(asked, len(picks), self.catalog.domain)
        check_edits(asked.edits)
        with self._running:
            yield from self.joined(asked.own_items)._stream(picks, asked, patience, earlier)

    def joined(self, own_items: Sequence[Item]) -> "Recommender":
        """This recommender with a visitor's own items beside the catalog; see `palr.app.own_items`.

        Raises:
            PalrError: there is no sentence model to read them.
        """
        if not own_items:
            return self
        if self._embed is None:
            raise PalrError("items of one's own need the sentence model")
        other = copy.copy(self)
        other.catalog, other._retrievers = join(
            self.catalog, self._retrievers, own_items, self._embed, COLD_START
        )
        return other

    def model(self, adapter: str | None = None) -> LLM:
        """The language model with an adapter, None for the configured one; raises LLMError."""
        return self._model(adapter)

    def retriever(self, name: str | None = None) -> Retriever:
        """A retriever by its name; raises RetrieverUnavailableError."""
        return self._retrievers(name or self._default_retriever)

    def likeness(self, wish: Wish) -> Likeness | None:
        """How alike items are in meaning, where a wish needs it."""
        return self._candidates.likeness(wish)

    def retrieve(self, picks: Sequence[Item], asked: Asked = DEFAULT) -> Retrieved:
        """The stage of the candidates alone, steered by the wish, and by the profile where the
        edits hold it; raises PalrError."""
        check(asked, len(picks), self.catalog.domain)
        check_edits(asked.edits)
        history = self.catalog.domain.history(picks)
        shown = history[-min(asked.n_history, HISTORY_LIMIT) :]
        profile = given_profile(asked.edits, shown, self.catalog)
        steered = steering(asked, profile, len(shown), self.catalog, self._read)
        found = self._candidates.find(history, asked, steered)
        return replace(found, notes=steered.notes + found.notes)

    def read_ahead(
        self,
        picks: Sequence[Item],
        *,
        mode: str | None = None,
        adapter: str | None = None,
        k: int = K,
    ) -> Iterator[None]:
        """Let the model read what a run with these picks begins with: history and instructions.

        One forward pass a step. A model behind HTTP reads nothing.

        Raises:
            LLMError: the model cannot be loaded, or failed.
        """
        llm = self._model(adapter)
        writer = self._writer(llm)
        if not picks or not isinstance(llm, TokenLLM) or not isinstance(writer, TokenLLM):
            return
        domain = self.catalog.domain
        history = domain.history(picks)[-HISTORY_LIMIT:]
        profile = fit_profile_prompt(history, self.catalog, writer)
        yield from writer.read_ahead(profile.beginning)
        mode = mode or default_mode(llm)
        yield from llm.read_ahead(ranking_beginning(domain, history, k, llm, mode))

    def _stream(
        self,
        picks: Sequence[Item],
        asked: Asked,
        patience: float | None,
        earlier: Recommendation | None,
    ) -> Generator[Recommendation | None]:
        clock = _Clock()
        domain, catalog = self.catalog.domain, self.catalog
        history = domain.history(picks)
        shown = history[-min(asked.n_history, HISTORY_LIMIT) :]
        trace = Recommendation(
            *(domain.key, catalog.dataset, tuple(picks), history),
            run_id=secrets.token_hex(6),
            asked=asked,
        )
        if len(shown) < len(history):
            note = f"the prompts show the most recent {len(shown)} of {len(history)} picks"
            trace = replace(trace, notes=(note,))
        trace = replace(trace, seconds=clock.stage("history"))
        yield trace

        llm: LLM | None = None
        deadline = math.inf
        try:
            if asked.ranker != "retriever":
                llm = self._model(asked.adapter)
                mode = asked.mode or default_mode(llm)
                mode = scored_mode(asked.mode, llm) if asked.ranker == "mix" else mode
                tuned = llm.adapter.name if llm.adapter else None
                trace = replace(trace, llm=_llm_name(llm), adapter=tuned, mode=mode)
                notes = llm.adapter.untrained(mode) if llm.adapter else ()
                trace = replace(trace, notes=trace.notes + notes)
                clock.restart()  # waiting for the model to load is not part of the profile's time
                deadline = time.monotonic() + (math.inf if patience is None else patience)
            stage = ProfileStage(self.catalog, self._writer, self._read, self._writing)
            for profile in _until(deadline, stage.write(shown, asked, llm, earlier)):
                if profile is not None:
                    trace = replace(trace, profile=profile)
                yield trace if profile is not None else None
        except LLMError as error:
            if patience is None:
                raise
            llm = None
            trace = replace(trace, profile=trace.profile or Profile(), fallback=str(error))
        trace = replace(trace, seconds=clock.stage("profile"))
        yield trace

        profile = trace.profile or Profile()
        steered = steering(asked, profile, len(shown), catalog, self._read)
        found = self._candidates.find(history, asked, steered)
        candidates = found.candidates
        trace = replace(trace, retriever=found.retriever, candidates=candidates)
        trace = replace(trace, wish=steered.wish, shifts=found.shifts)
        trace = replace(trace, notes=trace.notes + steered.notes + found.notes)
        trace = replace(trace, seconds=clock.stage("candidates"))
        yield trace

        if llm is not None:
            try:
                job = ranking_job(
                    *(domain, shown, trace.profile, candidates, asked.k, llm, trace.mode),
                    retriever=found.retriever,
                    instruction=asked.edits.instruction,
                    wish=wish_in_prompt(steered.wish, trace.profile, domain),
                )
                job, notes = edited_job(job, asked.edits, llm)
                trace = replace(trace, prior=job.mix.prior, spread=job.mix.spread)
                trace = replace(trace, prompt=job.prompt, notes=trace.notes + notes)
                yield trace
                mix = asked.ranker == "mix"
                job = replace(job, k=len(candidates)) if mix else job
                for ranking in _until(deadline, rank(job, llm)):
                    if ranking is None:
                        yield None
                        continue
                    if mix:
                        ranking = mixed_ranking(ranking, candidates, asked.k, job.mix)
                    trace = replace(trace, ranking=ranking)
                    yield trace
            except LLMError as error:
                if patience is None:
                    raise
                trace = replace(trace, fallback=str(error))
        if trace.ranking and trace.ranking.unusable:
            trace = replace(trace, fallback=trace.ranking.unusable)
        elif trace.fallback or asked.ranker == "retriever":
            trace = replace(trace, ranking=_retrievers_order(candidates, asked.k))
        clock.stage("ranking")
        yield replace(trace, seconds=clock.total())

    def _model(self, adapter: str | None) -> LLM:
        if adapter is None:
            return self._llm()
        if self._adapters is None:
            raise PalrError(
                "adapters can be chosen for a model in this process only: with another backend, "
                "set PALR_ADAPTER"
            )
        return self._adapters(adapter)

    def _writer(self, llm: LLM) -> LLM:
        """Who writes the profile: the base model, whichever adapter ranks, since adapters are
        trained and measured with its profiles."""
        return self._adapters(ZERO_SHOT) if llm.adapter and self._adapters else llm


def _until(deadline: float, pieces: Iterator[_T]) -> Generator[_T]:
    """What ``pieces`` yields; LLMError where it goes on after ``deadline`` (`time.monotonic`)."""
    late = False
    with closing(pieces):  # type: ignore[type-var]  # a generator, behind its narrower type
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
    return f"{llm.name} + {llm.adapter.name}" if llm.adapter else llm.name
