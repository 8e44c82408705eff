"""The LLM's selection among the candidates (paper, section 3.3)."""

from palr.ranking.batch import Job, rank_each, rank_many
from palr.ranking.mix import mixed_ranking, scored_mode
from palr.ranking.modes import MODES
from palr.ranking.rank import (
    DEFAULT_MODE,
    answer_tokens,
    fit_ranking_prompt,
    rank,
    ranking_beginning,
)

__all__ = [
    "DEFAULT_MODE",
    "MODES",
    "Job",
    "answer_tokens",
    "fit_ranking_prompt",
    "mixed_ranking",
    "rank",
    "rank_each",
    "rank_many",
    "ranking_beginning",
    "scored_mode",
]
