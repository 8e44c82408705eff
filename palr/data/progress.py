"""How long work reports on itself: by bars on a terminal, by plain lines in a log.

A bar redraws itself, so that a log would hold thousands of copies of it. `bars_on_terminals_only`
is the one place that turns bars off, those of other libraries included.
"""

import sys
import time
from collections.abc import Callable
from functools import partialmethod
from types import TracebackType

from tqdm import tqdm

LOG_SECONDS = 30  # between two lines of one work, where there is no terminal

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
    """A `Progress` on stderr, with one bar for each ``what``; close it, or use it in ``with``.

    Where stderr is no terminal, one line tells when a work is done; of a long one, a line every
    `LOG_SECONDS` tells how far it is.
    """

    def __init__(self) -> None:
        self._terminal = on_terminal()
        self._bars: dict[str, tqdm] = {}
        self._logged: dict[str, float] = {}

    def __call__(self, what: str, done: int, total: int, unit: str) -> None:
        if not self._terminal:
            self._log(what, done, total, unit)
            return
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
                disable=not on_terminal(),
            )
        bar.update(done - bar.n)
        if done >= total:
            bar.close()
            del self._bars[what]

    def _log(self, what: str, done: int, total: int, unit: str) -> None:
        now = time.monotonic()
        last = self._logged.setdefault(what, now)
        if done >= total:
            print(f"{what}: {total:,} {unit}", file=sys.stderr, flush=True)
            del self._logged[what]
        elif now - last >= LOG_SECONDS:
            print(f"{what}: {done:,} of {total:,} {unit}", file=sys.stderr, flush=True)
            self._logged[what] = now

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
