"""PALR Studio: personalization-aware LLM recommendation (arXiv 2305.07622) as a studio."""

__version__ = "0.1.0"
