"""What is set for the whole process, looked at in one of its own."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

_HEAPS = """
import ctypes, sys, threading
from palr.serve.process import SWITCH_SECONDS, prepare

if sys.argv[2] == "prepared":
    prepare()
    assert abs(sys.getswitchinterval() - SWITCH_SECONDS) < 1e-6
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
everyone = threading.Barrier(16)

def work():
    libc.malloc(ctypes.c_size_t(50_000))
    everyone.wait()

threads = [threading.Thread(target=work) for _ in range(16)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
file = ctypes.c_void_p(libc.fopen(sys.argv[1].encode(), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""


_HOLES = """
import os
from palr.serve.process import give_back

def resident():
    with open("/proc/self/statm") as told:
        return int(told.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

empty = resident()
laid = [b"x" * 100_000 for _ in range(1500)]
kept = laid[::20]
del laid
with_holes = resident()
give_back()
assert with_holes - empty > 100e6, with_holes - empty
assert resident() - empty < 40e6, resident() - empty
"""

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that is asked")


@glibc
def test_holes_between_what_is_kept_are_given_back() -> None:
    subprocess.run([sys.executable, "-c", _HOLES], check=True, timeout=60)


@glibc
def test_threads_share_few_heaps(tmp_path: Path) -> None:
    def heaps(prepared: str) -> int:
        told = tmp_path / prepared
        subprocess.run([sys.executable, "-c", _HEAPS, str(told), prepared], check=True, timeout=60)
        return told.read_text().count("<heap nr=")

    assert heaps("prepared") == 2
    assert heaps("as it was") > 2
