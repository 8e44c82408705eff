"""How long work reports on itself: by bars on a terminal, by plain lines in a log.

A bar redraws itself, so that a log would hold thousands of copies of it. `bars_on_terminals_only`
is the one place that turns bars off, those of other libraries included.
"""

import sys
from collections.abc import Callable
from functools import partialmethod
from types import TracebackType

from tqdm import tqdm

Progress = Callable[[str, int, int, str], None]
"""Called with (what, done so far, total, unit); ``done == total`` ends it."""


def silent(what: str, done: int, total: int, unit: str) -> None:
    """Report nothing."""


def on_terminal() -> bool:
    """Whether a person watches stderr, where bars are drawn."""
    return sys.stderr.isatty()


def bars_on_terminals_only() -> None:
    """Turn every bar of tqdm off unless stderr is a terminal.

    Call it first in a program: transformers, sentence-transformers and huggingface_hub draw with
    tqdm too.
    """
    if not on_terminal():
        tqdm.__init__ = partialmethod(tqdm.__init__, disable=True)


class Bars:
    """A `Progress` that draws one tqdm bar for each ``what``, or writes one line in a log.

    Close it, or use it in ``with``.
    """

    def __init__(self) -> None:
        self._bars: dict[str, tqdm] = {}

    def __call__(self, what: str, done: int, total: int, unit: str) -> None:
        bar = self._bars.get(what)
        if bar is None:
            size = unit == "B"
            if not on_terminal():
                count = tqdm.format_sizeof(total, divisor=1024) if size else f"{total:,} "
                print(f"{what}: {count}{unit}", file=sys.stderr, flush=True)
            bar = self._bars[what] = tqdm(
                desc=what,
                total=total,
                unit=unit,
                unit_scale=size,
                unit_divisor=1024 if size else 1000,
                file=sys.stderr,
                dynamic_ncols=True,
                disable=not on_terminal(),
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
