"""Total parsing of a free-text ranking: whatever the model wrote, a ranking comes out.

>>> parse_names('"Heat", "Jaws", "Heat"', ['"Babe"', '"Heat"'])
([1], ('dropped "Jaws": not a candidate', 'dropped a repetition of "Heat"'))
"""

import re
from collections.abc import Sequence

_QUOTED = re.compile(r'"[^"\n]+"')


def parse_names(output: str, names: Sequence[str]) -> tuple[list[int], tuple[str, ...]]:
    """Indices of the quoted candidate names in the order written, and what was repaired.

    Equal names are taken in order of the list. Unknown and repeated names are dropped.
    """
    waiting: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        waiting.setdefault(name.casefold(), []).append(index)
    chosen: list[int] = []
    repairs: list[str] = []
    for name in _QUOTED.findall(output):
        indices = waiting.get(name.casefold())
        if indices is None:
            repairs.append(f"dropped {name}: not a candidate")
        elif not indices:
            repairs.append(f"dropped a repetition of {name}")
        else:
            chosen.append(indices.pop(0))
    return chosen, tuple(repairs)
