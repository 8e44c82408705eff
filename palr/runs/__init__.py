"""A finished run as a file: saved, replayed, compared and reported."""
