"""The LLM's selection among the candidates (paper, section 3.3)."""

from palr.ranking.modes import MODES
from palr.ranking.rank import DEFAULT_MODE, fit_ranking_prompt, rank

__all__ = ["DEFAULT_MODE", "MODES", "fit_ranking_prompt", "rank"]
