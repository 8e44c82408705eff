"""How long work reports on itself, on a terminal or anywhere else."""

import sys
from collections.abc import Callable
from types import TracebackType

from tqdm import tqdm

Progress = Callable[[str, int, int, str], None]
"""Called with (what, done so far, total, unit); ``done == total`` ends it."""


def silent(what: str, done: int, total: int, unit: str) -> None:
    """Report nothing."""


class Bars:
    """A `Progress` that draws one tqdm bar for each ``what``; close it, or use it in ``with``."""

    def __init__(self) -> None:
        self._bars: dict[str, tqdm] = {}

    def __call__(self, what: str, done: int, total: int, unit: str) -> None:
        bar = self._bars.get(what)
        if bar is None:
            size = unit == "B"
            bar = self._bars[what] = tqdm(
                desc=what,
                total=total,
                unit=unit,
                unit_scale=size,
                unit_divisor=1024 if size else 1000,
                file=sys.stderr,
                dynamic_ncols=True,
            )
        bar.update(done - bar.n)
        if done >= total:
            bar.close()
            del self._bars[what]

    def __enter__(self) -> "Bars":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for bar in self._bars.values():
            bar.close()
        self._bars.clear()
