"""A model's scores of many prompts, kept: no prompt is asked twice, and a killed measurement goes
on where it stopped."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from palr.data.progress import Progress, silent
from palr.llm.base import LLM
from palr.ranking import Job, get_mode, rank_each
from palr.ranking.mix import NO_MIX
from palr.ranking.modes import by_score
from palr.types import Ranking


class KeptRankings:
    """Scores of one model, one prompt a line; modes that score no candidates are asked anew.

    Args:
        path: Where they are kept.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._scores: dict[str, list[float]] = {}
        if path.is_file():
            for line in path.read_text("utf-8").splitlines():
                try:
                    key, scores = json.loads(line)
                except ValueError:  # cut off by a kill
                    continue
                self._scores[key] = scores

    def rank(self, jobs: Sequence[Job], llm: LLM, progress: Progress = silent) -> list[Ranking]:
        """The ranking of each job, in their order.

        Args:
            jobs: Prompts of one mode.
            llm: The model whose scores these are.
            progress: Told how many prompts were asked.

        Raises:
            LLMError: the model failed.
        """
        if jobs and not get_mode(jobs[0].mode).scores_all:
            found = dict(step for step in rank_each(jobs, llm) if step is not None)
            return [found[at] for at in range(len(jobs))]
        missing = [job for job in {_key(job): job for job in jobs}.values() if not self._known(job)]
        plain = [unweighed(job) for job in missing]
        done = 0
        for step in rank_each(plain, llm):
            if step is not None:
                self.keep(missing[step[0]], step[1])
                done += 1
                progress("Asking the model", done, len(missing), "prompts")
        return [self._ranking(job) for job in jobs]

    def keep(self, job: Job, ranking: Ranking) -> None:
        """Keep what the model found of an `unweighed` job."""
        by_item = {ranked.item.id: ranked.logprob or 0.0 for ranked in ranking.items}
        scores = [round(by_item[candidate.item.id], 5) for candidate in job.shown]
        self._scores[_key(job)] = scores
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(f"\n{json.dumps([_key(job), scores])}")

    def _known(self, job: Job) -> bool:
        return not job.names or _key(job) in self._scores

    def _ranking(self, job: Job) -> Ranking:
        if not job.names:
            return Ranking()
        scores = job.mix.add(self._scores[_key(job)], job.shown)
        return by_score(scores, job.names, job.candidates, job.k, None)


def unweighed(job: Job) -> Job:
    """The same prompt, ranked whole and by the model's own scores alone."""
    bare = tuple(replace(candidate, steer=0.0) for candidate in job.candidates)
    return replace(job, candidates=bare, k=len(bare), mix=NO_MIX)


def _key(job: Job) -> str:
    return hashlib.sha256(f"{job.mode} {job.prompt.text}".encode()).hexdigest()[:24]
