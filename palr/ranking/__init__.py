"""The LLM's selection among the candidates (paper, section 3.3)."""

from palr.ranking.many import Job, rank_many
from palr.ranking.modes import MODES
from palr.ranking.rank import DEFAULT_MODE, fit_ranking_prompt, rank, ranking_beginning

__all__ = [
    "DEFAULT_MODE",
    "MODES",
    "Job",
    "fit_ranking_prompt",
    "rank",
    "rank_many",
    "ranking_beginning",
]
