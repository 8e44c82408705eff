"""The process under load: its memory stays where it is, and visitors do not wait for the model."""

import ctypes
import sys
from contextlib import suppress

ARENAS = 2
SWITCH_SECONDS = 0.001
_M_ARENA_MAX = -8  # malloc.h
_NOT_GLIBC = (OSError, TypeError, AttributeError)


def prepare() -> None:
    """Call it before any thread is started.

    glibc gives nearly every thread a heap of its own. The steps of a run fall to one thread after
    the other, so that many heaps would each keep room for the largest of them.

    A thread that wants the interpreter asks for it after SWITCH_SECONDS: with Python's 5 ms a
    request, which lets go of it several times, waits for the model each time.
    """
    with suppress(*_NOT_GLIBC):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, ARENAS)
    sys.setswitchinterval(SWITCH_SECONDS)


def give_back() -> None:
    """Return the pages that are free between those in use; call it after a run.

    What a run needs for a moment and what is kept of it lie mixed. Of themselves such holes stay,
    and in ten minutes of load they outgrew the model; returning them takes ten milliseconds.
    """
    with suppress(*_NOT_GLIBC):
        ctypes.CDLL(None).malloc_trim(0)
