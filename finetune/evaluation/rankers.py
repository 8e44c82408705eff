"""Lists ranked by one system of an evaluation, and kept: no list is ranked twice, and a killed run
goes on where it stopped."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from finetune.data.lists import Kept, KeptProfiles, Order, UserList
from finetune.training.adapters import modes
from finetune.training.record import read_record, sha256
from palr.data.progress import Progress
from palr.domains import HISTORY_LIMIT
from palr.errors import PalrError
from palr.evaluation.protocol import Part
from palr.llm.adapter_pool import load_adapted
from palr.llm.adapters import WEIGHTS, trained_for
from palr.llm.base import last
from palr.llm.transformers import TransformersLLM
from palr.profile import write_profile
from palr.ranking import DEFAULT_MODE, Job, ScoreMix, get_mode, rank_many, ranking_job
from palr.ranking.mix import NO_MIX
from palr.recommender import N_CANDIDATES
from palr.retrieval.splits import TrainingData
from palr.settings import Settings
from palr.types import Keyword, Profile, Ranking

if TYPE_CHECKING:
    from palr.catalog.catalog import Catalog

TOP = 10
_CHUNK = 64  # lists that are ranked before they are kept


@dataclass(frozen=True)
class Sampling:
    """Who is asked: ``users`` of the test part (0: all) behind the first ``skip`` of the random
    order, ``validation`` users for the mix, ``checked`` users whatever their lists hold,
    ``shuffled`` of these in ``shuffles`` orders."""

    users: int = 1500
    validation: int = 500
    checked: int = 100
    shuffled: int = 40
    shuffles: int = 5
    seed: int = 0
    skip: int = 0


@dataclass(frozen=True)
class System:
    """A row: the base model, with an adapter's folder or without; ``mode`` is how it is read."""

    name: str
    adapter: Path | None = None
    mode: str = DEFAULT_MODE


@dataclass(frozen=True)
class Evaluation:
    """What all rows share; ``lists_digest`` stands for the retriever's lists, since another one
    draws others."""

    catalog: "Catalog"
    data: TrainingData
    settings: Settings
    retriever: str
    sampling: Sampling
    profile: Literal["none", "llm"]
    test: list[UserList]
    validation: list[UserList]
    lists_digest: str
    progress: Progress
    command: str

    @property
    def folder(self) -> Path:
        return self.settings.home / "evaluations" / self.data.dataset / "reranking"

    @property
    def ranks(self) -> NDArray[np.int64]:
        """The retriever's own rank of each test target, in the order of the test lists."""
        return np.array([entry.rank for entry in self.test], np.int64)

    @property
    def checked(self) -> list[UserList]:
        """Who is asked whatever their lists hold."""
        return [entry for entry in self.test[: self.sampling.checked] if entry.candidates]

    @property
    def asked(self) -> list[UserList]:
        """The test lists that are ranked: those checked, and all that hold their target."""
        hits = (entry for entry in self.test if entry.hit)
        return list({entry.user: entry for entry in [*self.checked, *hits]}.values())


def read_system(text: str) -> System:
    """A row as the command line names it: ``ROW=FOLDER``, read in the adapter's own first mode, or
    ``ROW=FOLDER:MODE``.

    Raises:
        PalrError: the text is malformed, there is no adapter, or the mode is unknown.
    """
    name, equals, place = text.partition("=")
    place, _, mode = place.partition(":")
    folder = Path(place)
    if not equals or not (folder / WEIGHTS).is_file():
        raise PalrError(f"{text!r} names no adapter: write ROW=FOLDER, a folder with {WEIGHTS}")
    if mode:
        get_mode(mode)
    return System(name, folder, mode or modes(read_record(folder))[0])


class SystemRunner:
    """Ranks lists with one system, unless their orders are kept; loads its model when first needed.

    ``mix`` is how the app adds the retriever's scores to the model's. The orders that are kept are
    by the model's own scores, so that they can be weighed in any way.
    """

    def __init__(self, evaluation: Evaluation, system: System) -> None:
        self.evaluation, self.system = evaluation, system
        self.mix = NO_MIX
        if system.adapter and get_mode(system.mode).mixes:
            adapter = trained_for(str(system.adapter), system.adapter)
            self.mix = ScoreMix.of(adapter, evaluation.retriever)
        self._llm: TransformersLLM | None = None
        self._base: TransformersLLM | None = None
        settings = evaluation.settings
        made_of = sha256(system.adapter / WEIGHTS) if system.adapter else "zero-shot"
        parts = [
            made_of,
            system.mode,
            evaluation.profile,
            evaluation.retriever,
            evaluation.data.checksum,
        ]
        parts += [settings.llm, settings.dtype, evaluation.lists_digest]
        signature = hashlib.sha256(" ".join(parts).encode()).hexdigest()[:12]
        self.folder = evaluation.folder / signature
        self._profiles = {
            part: KeptProfiles(evaluation.folder / f"profiles-{part}.jsonl")
            for part in ("test", "validation")
        }

    @property
    def llm(self) -> TransformersLLM:
        if self._llm is None:
            adapter = str(self.system.adapter or "")
            self._llm = load_adapted(
                self.evaluation.settings.model_copy(update={"adapter": adapter})
            )
        return self._llm

    def orders(
        self, wanted: Sequence[UserList], part: Part, shuffle: int | None = None
    ) -> dict[int, Order]:
        """The order of each list by the model's own scores, without its adapter's prior;
        ``shuffle`` numbers a random order of the list."""
        kept = Kept(self.folder / f"{part}{'' if shuffle is None else f'-shuffle-{shuffle}'}.jsonl")
        missing = [entry for entry in wanted if entry.user not in kept.orders]
        what = f"{self.system.name}, {part}" + ("" if shuffle is None else f", order {shuffle}")
        done = 0
        for begin in range(0, len(missing), _CHUNK):
            chunk = missing[begin : begin + _CHUNK]
            jobs = [self._job(entry, part, shuffle) for entry in chunk]
            since = time.perf_counter()
            for at, ranking in rank_many(jobs, self.llm):
                took, since = time.perf_counter() - since, time.perf_counter()
                kept.add(self._order(chunk[at], ranking, took))
                done += 1
                self.evaluation.progress(what, done, len(missing), "lists")
        return {entry.user: kept.orders[entry.user] for entry in wanted}

    def _job(self, entry: UserList, part: Part, shuffle: int | None) -> Job:
        candidates = entry.candidates
        if shuffle is not None:
            rng = np.random.default_rng([self.evaluation.sampling.seed, shuffle, entry.user])
            candidates = tuple(candidates[at] for at in rng.permutation(len(candidates)))
        job = ranking_job(
            self.evaluation.catalog.domain,
            entry.history[-HISTORY_LIMIT:],
            self._profile(entry, part),
            candidates,
            TOP,
            self.llm,
            self.system.mode,
            mix=NO_MIX,
        )
        return replace(job, k=N_CANDIDATES) if get_mode(job.mode).scores_all else job

    def _order(self, entry: UserList, ranking: Ranking, seconds: float) -> Order:
        scored = get_mode(self.system.mode).scores_all
        places = tuple(item.retriever_rank for item in ranking.items)
        scores = tuple(item.logprob or 0.0 for item in ranking.items) if scored else ()
        known = {candidate.item.id for candidate in entry.candidates}
        top = [item.item.id for item in ranking.items[:TOP]]
        valid = len(set(top)) == len(top) == min(TOP, len(known)) and set(top) <= known
        return Order(entry.user, places, scores, valid, seconds)

    def _profile(self, entry: UserList, part: Part) -> Profile | None:
        """The profile that the base model writes: it is the same for every system."""
        if self.evaluation.profile == "none":
            return None
        kept = self._profiles[part]
        if entry.user not in kept.profiles:
            if self._base is None:
                plain = self.evaluation.settings.model_copy(update={"adapter": ""})
                self._base = TransformersLLM.load(plain) if self.system.adapter else self.llm
            history = entry.history[-HISTORY_LIMIT:]
            profile = last(write_profile(history, self.evaluation.catalog, self._base))
            kept.add(entry.user, [keyword.text for keyword in profile.keywords], profile.text)
        keywords, text = kept.profiles[entry.user]
        return Profile(tuple(Keyword(keyword, ()) for keyword in keywords), text)
