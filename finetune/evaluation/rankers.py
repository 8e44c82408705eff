"""One contender of the evaluation, asked: each list that it ranked is kept, so that no question is
put twice and a killed run goes on where it stopped."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from finetune.data.lists import Case, Kept, KeptProfiles, Order
from finetune.training.adapters import WEIGHTS, modes
from finetune.training.record import read_record, sha256
from palr.data.progress import Progress
from palr.domains import HISTORY_LIMIT
from palr.errors import PalrError
from palr.evaluation.protocol import Part
from palr.llm.adapters import trained_for
from palr.llm.transformers import TransformersLLM
from palr.profile import write_profile
from palr.ranking import DEFAULT_MODE, Job, fit_ranking_prompt, rank_many
from palr.ranking.mix import SCORED
from palr.ranking.modes import get_mode
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
class Contender:
    """A row: the base model, with an adapter's folder or without; ``mode`` is how it is read."""

    name: str
    adapter: Path | None = None
    mode: str = DEFAULT_MODE


@dataclass(frozen=True)
class Bench:
    """What all rows share; ``lists_digest`` stands for the retriever's lists, since another one
    draws others."""

    catalog: "Catalog"
    data: TrainingData
    settings: Settings
    retriever: str
    sampling: Sampling
    profile: Literal["none", "llm"]
    test: list[Case]
    validation: list[Case]
    lists_digest: str
    progress: Progress
    command: str

    @property
    def folder(self) -> Path:
        return self.settings.home / "evaluations" / self.data.dataset / "reranking"

    @property
    def ranks(self) -> NDArray[np.int64]:
        """The retriever's own rank of each test target, in the order of the test cases."""
        return np.array([case.rank for case in self.test], np.int64)

    @property
    def checked(self) -> list[Case]:
        """Who is asked whatever their lists hold."""
        return [case for case in self.test[: self.sampling.checked] if case.candidates]

    @property
    def asked(self) -> list[Case]:
        """The test lists that are ranked: those checked, and all that hold their target."""
        hits = (case for case in self.test if case.hit)
        return list({case.user: case for case in [*self.checked, *hits]}.values())


def contender(text: str) -> Contender:
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
    return Contender(name, folder, mode or modes(read_record(folder))[0])


class Judge:
    """Asks one contender, unless the answer is kept; loads its model when first needed.

    ``prior`` and ``spread`` are what the retriever's and the model's scores count where it is
    served behind this retriever (`palr.ranking.mix.on_prior`).
    """

    def __init__(self, bench: Bench, contender: Contender) -> None:
        self.bench, self.contender = bench, contender
        self.prior = self.spread = 0.0
        if contender.adapter and get_mode(contender.mode).on_prior:
            adapter = trained_for(str(contender.adapter), contender.adapter)
            self.prior, self.spread = adapter.weights(bench.retriever)
        self._llm: TransformersLLM | None = None
        self._base: TransformersLLM | None = None
        settings = bench.settings
        made_of = sha256(contender.adapter / WEIGHTS) if contender.adapter else "zero-shot"
        parts = [made_of, contender.mode, bench.profile, bench.retriever, bench.data.checksum]
        parts += [settings.llm, settings.dtype, bench.lists_digest]
        signature = hashlib.sha256(" ".join(parts).encode()).hexdigest()[:12]
        self.folder = bench.folder / signature
        self._profiles = {
            part: KeptProfiles(bench.folder / f"profiles-{part}.jsonl")
            for part in ("test", "validation")
        }

    @property
    def llm(self) -> TransformersLLM:
        if self._llm is None:
            adapter = str(self.contender.adapter or "")
            self._llm = TransformersLLM.load(
                self.bench.settings.model_copy(update={"adapter": adapter})
            )
            self._llm.prior = 0.0  # its own scores are kept, so they can be weighed in any way
        return self._llm

    def orders(
        self, wanted: Sequence[Case], part: Part, shuffle: int | None = None
    ) -> dict[int, Order]:
        """The order of each list by the model's own scores, without its adapter's prior;
        ``shuffle`` numbers a random order of the list."""
        kept = Kept(self.folder / f"{part}{'' if shuffle is None else f'-shuffle-{shuffle}'}.jsonl")
        missing = [case for case in wanted if case.user not in kept.orders]
        what = f"{self.contender.name}, {part}" + ("" if shuffle is None else f", order {shuffle}")
        done = 0
        for begin in range(0, len(missing), _CHUNK):
            chunk = missing[begin : begin + _CHUNK]
            jobs = [self._job(at, case, part, shuffle) for at, case in enumerate(chunk)]
            k = N_CANDIDATES if self.contender.mode in SCORED else TOP
            since = time.perf_counter()
            for at, ranking in rank_many(jobs, self.llm, k, self.contender.mode):
                took, since = time.perf_counter() - since, time.perf_counter()
                kept.add(self._order(chunk[at], ranking, took))
                done += 1
                self.bench.progress(what, done, len(missing), "lists")
        return {case.user: kept.orders[case.user] for case in wanted}

    def _job(self, at: int, case: Case, part: Part, shuffle: int | None) -> Job:
        candidates = case.candidates
        if shuffle is not None:
            rng = np.random.default_rng([self.bench.sampling.seed, shuffle, case.user])
            candidates = tuple(candidates[at] for at in rng.permutation(len(candidates)))
        prompt, names = fit_ranking_prompt(
            self.bench.catalog.domain,
            case.history[-HISTORY_LIMIT:],
            self._profile(case, part),
            candidates,
            TOP,
            self.llm,
            self.contender.mode,
        )
        return Job(at, prompt, names, candidates)

    def _order(self, case: Case, ranking: Ranking, seconds: float) -> Order:
        scored = self.contender.mode in SCORED
        places = tuple(item.retriever_rank for item in ranking.items)
        scores = tuple(item.logprob or 0.0 for item in ranking.items) if scored else ()
        known = {candidate.item.id for candidate in case.candidates}
        top = [item.item.id for item in ranking.items[:TOP]]
        valid = len(set(top)) == len(top) == min(TOP, len(known)) and set(top) <= known
        return Order(case.user, places, scores, valid, seconds)

    def _profile(self, case: Case, part: Part) -> Profile | None:
        """The profile that the base model writes: it is the same for every contender."""
        if self.bench.profile == "none":
            return None
        kept = self._profiles[part]
        if case.user not in kept.profiles:
            if self._base is None:
                plain = self.bench.settings.model_copy(update={"adapter": ""})
                self._base = TransformersLLM.load(plain) if self.contender.adapter else self.llm
            history = case.history[-HISTORY_LIMIT:]
            *_, profile = write_profile(history, self.bench.catalog, self._base)
            kept.add(case.user, [keyword.text for keyword in profile.keywords], profile.text)
        keywords, text = kept.profiles[case.user]
        return Profile(tuple(Keyword(keyword, ()) for keyword in keywords), text)
