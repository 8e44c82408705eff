"""Data sets: readers, interactions, and what is fetched and installed."""
