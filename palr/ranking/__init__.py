"""The LLM's selection among the candidates (paper, section 3.3)."""

from palr.ranking.rank import fit_ranking_prompt, rank

__all__ = ["fit_ranking_prompt", "rank"]
