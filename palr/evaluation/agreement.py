"""How far two rankings of the same items agree at their top.

>>> overlap("abc", "acb"), overlap("abc", "abd")
(1.0, 0.6666666666666666)
>>> round(kendall_tau("abc", "acb"), 3)
0.333
"""

from collections.abc import Hashable, Sequence


def overlap(first: Sequence[Hashable], second: Sequence[Hashable], k: int = 10) -> float:
    """The share of the top ``k`` that two rankings have in common."""
    shared = set(first[:k]) & set(second[:k])
    return len(shared) / max(min(k, len(first)), 1)


def kendall_tau(first: Sequence[Hashable], second: Sequence[Hashable], k: int = 10) -> float:
    """Kendall's tau over the items that both rankings have in their top ``k``.

    From -1 (reversed) to 1 (the same order); 0 where they share fewer than two items.
    """
    place = {item: at for at, item in enumerate(second[:k])}
    shared = [place[item] for item in first[:k] if item in place]
    pairs = [(a, b) for at, a in enumerate(shared) for b in shared[at + 1 :]]
    return sum(1 if a < b else -1 for a, b in pairs) / len(pairs) if pairs else 0.0
