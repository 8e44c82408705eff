"""A question for the ranking model: which of these candidates, in which order?"""

import math
from dataclasses import dataclass

from palr.ranking.mix import NO_MIX, ScoreMix
from palr.types import Candidate, Prompt

_LEAST_ODDS = 1e-6  # whatever was asked for, every candidate can still be written


@dataclass(frozen=True)
class Job:
    """A prompt to rank, as `palr.ranking.rank.ranking_job` makes it.

    Attributes:
        prompt: History, profile and candidates, in the form that the mode reads.
        names: ``names[i]`` is how the prompt calls ``candidates[i]``.
        candidates: Those that the prompt shows come first; the rest was cut and is not ranked.
        k: How many recommendations are wanted.
        mode: A name of `palr.ranking.MODES`.
        mix: How the model's scores and the retriever's add up.
    """

    prompt: Prompt
    names: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    k: int
    mode: str
    mix: ScoreMix = NO_MIX

    @property
    def shown(self) -> tuple[Candidate, ...]:
        """The candidates that the prompt shows."""
        return self.candidates[: len(self.names)]

    @property
    def odds(self) -> list[float] | None:
        """Prior odds of the candidates where the model writes titles: what steering added to them.

        None without steering: the model alone decides.
        """
        steer = [candidate.steer for candidate in self.shown]
        if not any(steer):
            return None
        return [max(math.exp(value - max(steer)), _LEAST_ODDS) for value in steer]
