"""The process under load: its memory stays where it is, and visitors do not wait for the model."""

import ctypes
import sys
from contextlib import suppress

ARENAS = 2
SWITCH_SECONDS = 0.001
_M_ARENA_MAX = -8  # malloc.h


def prepare() -> None:
    """Call it before any thread is started.

    glibc gives nearly every thread a heap of its own. The steps of a run fall to one thread after
    the other, so that many heaps would each keep room for the largest of them.

    A thread that wants the interpreter asks for it after SWITCH_SECONDS: with Python's 5 ms a
    request, which lets go of it several times, waits for the model each time.
    """
    with suppress(OSError, TypeError, AttributeError):  # not glibc
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, ARENAS)
    sys.setswitchinterval(SWITCH_SECONDS)
