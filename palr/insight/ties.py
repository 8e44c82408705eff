"""What ties a recommendation to the picks and to what was asked for, at once and without a model.

>>> from palr.types import Item, Recommendation, Wish
>>> heat = Item("1", "Heat", 1995, keywords=("crime", "drama"))
>>> fargo = Item("2", "Fargo", 1996, keywords=("crime", "comedy"))
>>> run = Recommendation("movies", "ml-100k", (heat,), (heat,), wish=Wish(more=("comedy",)))
>>> tie_of(fargo, run)
Tie(picks=(Item(id='1', ...),), shared=('crime',), asked=('comedy',))
"""

import math
from collections import Counter
from dataclasses import dataclass

from palr.text import is_decade
from palr.types import Item, Recommendation

N_PICKS = 2
N_SHARED = 2


@dataclass(frozen=True)
class Tie:
    """What an item has to do with the picks and the wish.

    Attributes:
        picks: The picks that are nearest by their keywords, decades aside, the nearest first.
        shared: Keywords that the item shares with the nearest of them, the rarest first.
        asked: Keywords of the item that were asked for.
    """

    picks: tuple[Item, ...] = ()
    shared: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()


def tie_of(item: Item, trace: Recommendation) -> Tie:
    """What ties one item to a run's picks and wish.

    A pick is the nearer, the more keywords it shares and the fewer of the run's items carry each
    of them (log((n + 1) / carriers), n items in candidates and picks).

    Args:
        item: A candidate or a recommendation of the run.
        trace: The run, with its history and, where they are there, its candidates.
    """
    around = [*trace.history, *(c.item for c in trace.candidates or ())]
    themes = [keyword for keyword in dict.fromkeys(item.keywords) if not is_decade(keyword)]
    carriers = Counter(keyword for other in around for keyword in set(other.keywords))

    def rarity(keyword: str) -> float:
        return math.log((len(around) + 1) / max(carriers[keyword], 1))

    def shared(pick: Item) -> list[str]:
        common = [keyword for keyword in themes if keyword in pick.keywords]
        return sorted(common, key=rarity, reverse=True)

    latest_first = [pick for pick in reversed(trace.history) if shared(pick)]
    nearest = sorted(latest_first, key=lambda pick: -sum(map(rarity, shared(pick))))
    named = tuple(shared(nearest[0])[:N_SHARED]) if nearest else ()
    picks = [pick for pick in nearest if set(named) <= set(pick.keywords)]
    asked = tuple(keyword for keyword in trace.wish.more if keyword in item.keywords)
    return Tie(tuple(picks[:N_PICKS]), named, asked)
