"""Hugging Face Spaces: what differs there, and ZeroGPU.

On a ZeroGPU Space a GPU is lent to one call at a time, for as many seconds as were asked for.
Anywhere else nothing here has an effect, and the ``spaces`` package need not be installed.
"""

import os
from collections.abc import Callable, Generator, Sequence

from palr.domains import HISTORY_LIMIT
from palr.ranking import MODES
from palr.settings import gpu_is_lent
from palr.types import Asked, Item, Recommendation

FRAMES = ("https://huggingface.co",)
_SHORTEST, _LONGEST = 15, 120  # seconds
_START = 10.0  # seconds to move a model of a few billion parameters to the GPU that was lent
_PASS = 0.12  # seconds, a 7B model over a prompt of 1,500 tokens
_PICK = 0.2  # seconds that each pick in the prompt adds


def on_space() -> bool:
    return bool(os.environ.get("SPACE_ID"))


def host() -> str:
    """The name that a Space is asked by, "" elsewhere."""
    return os.environ.get("SPACE_HOST", "")


def gpu_seconds(
    domain: str, picks: Sequence[Item], asked: Asked, earlier: Recommendation | None = None
) -> int:
    """How long to ask for a GPU: a shorter time puts a visitor further ahead in the queue.

    >>> [gpu_seconds("movies", (), Asked(mode=mode)) for mode in ("labels", "titles")]
    [15, 29]
    """
    modes = [MODES[asked.mode]] if asked.mode in MODES else MODES.values()
    passes = max(mode.passes for mode in modes)
    seconds = _START + passes * _PASS + min(len(picks), HISTORY_LIMIT) * _PICK
    return round(min(max(seconds, _SHORTEST), _LONGEST))


Stream = Callable[..., Generator[Recommendation | None]]
"""Takes what `gpu_seconds` takes."""


def on_gpu(run: Stream) -> Stream:
    """``run`` with a GPU around it on a ZeroGPU Space, unchanged anywhere else.

    A run crosses into the process that has the GPU: its arguments and what it yields are pickled.
    """
    if not gpu_is_lent():
        return run
    import spaces

    decorated: Stream = spaces.GPU(duration=gpu_seconds)(run)
    return decorated


def trust_proxy() -> None:
    """A Space is reached through its proxy alone, which names the visitor's address."""
    if on_space():
        os.environ.setdefault("FORWARDED_ALLOW_IPS", "*")
