"""The LLM's selection among the candidates (paper, sections 2.1 and 2.2)."""

from palr.ranking.batch import rank_each, rank_many
from palr.ranking.job import Job
from palr.ranking.mix import ScoreMix, mixed_ranking
from palr.ranking.modes import DEFAULT_MODE, MODES, default_mode, get_mode, scored_mode
from palr.ranking.rank import answer_tokens, rank, ranking_beginning, ranking_job

__all__ = [
    "DEFAULT_MODE",
    "MODES",
    "Job",
    "ScoreMix",
    "answer_tokens",
    "default_mode",
    "get_mode",
    "mixed_ranking",
    "rank",
    "rank_each",
    "rank_many",
    "ranking_beginning",
    "ranking_job",
    "scored_mode",
]
