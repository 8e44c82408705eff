"""Measuring retrievers and rankers: whole catalog, no sampled negatives, seen items masked."""
