"""Measurements of a finished run: what it rests on, how firmly it stands, what it left out.

Each takes a `Recommendation` and asks the same functions that made it again, with one thing
changed. Long ones are generators: they yield a `Progress` between two forward passes, where they
can be stopped, and their result last.
"""
