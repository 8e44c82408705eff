"""Which type of weights and how many threads suit this CPU: measured once, then kept.

Two layers of the model's shape stand for all of them. The measurement is repeated when processor,
library, model or the number of usable cores change; in between, the same choice makes the same
picks rank alike on every start.

Tried for the embedded model on two cores with AMX (torchao 0.18, torch 2.13) and not kept; seconds
for a prompt of 950 tokens, then milliseconds for one token more: bfloat16 as it is 0.30 and 38,
float32 0.91 and 38. Weight-only int8 0.37 and 77, compiled 1.30 and 46; dynamic int8 0.86 and 60.
`torch.compile` in bfloat16 0.24 and 32, after two minutes of compiling that needs a C++ compiler:
more than a start may take for a fifth of a pass.
"""

import copy
import json
import logging
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from palr.files import write
from palr.llm.passes import positions

_log = logging.getLogger(__name__)
_PROMPT, _DECISIONS = 1024, 40  # tokens of the prompt, passes of one token: a run of the page
_WORTH_ROUNDING = 1.3  # half precision must be this much faster than float32 to be taken

Seconds = dict[str, dict[str, float]]
"""Of the sample, by type of weights and number of threads."""


@dataclass(frozen=True)
class Speed:
    """``dtype`` is "bfloat16" or "float32"."""

    dtype: str
    threads: int


def cpu_speed(file: Path, model: str, config: Any, dtype: str = "auto") -> Speed:
    """The fastest choice for ``model``, from ``file`` or measured now; a given ``dtype`` is kept.

    ``config`` is the model's, as transformers has it.
    """
    key = f"{model}, {_machine()}"
    kept = _read(file)
    if key not in kept:
        try:
            kept[key] = measure(config)
        except Exception as error:  # whatever the code of some architecture raises
            _log.warning("this CPU was not measured with %s: %s", model, error)
            return _unmeasured(dtype)
        write(file, json.dumps(kept, indent=2) + "\n")
    return choose(kept[key], dtype)


def _unmeasured(dtype: str) -> Speed:
    import torch

    return Speed("float32" if dtype == "auto" else dtype, torch.get_num_threads())


def choose(seconds: Seconds, dtype: str = "auto") -> Speed:
    """
    >>> choose({"float32": {"1": 3.0, "2": 1.5}, "bfloat16": {"1": 1.0, "2": 1.1}})
    Speed(dtype='bfloat16', threads=1)
    >>> choose({"float32": {"1": 3.0, "2": 1.5}, "bfloat16": {"1": 1.3, "2": 1.4}})
    Speed(dtype='float32', threads=2)
    """
    best = {name: min(by_threads.values()) for name, by_threads in seconds.items()}
    if dtype == "auto":
        half = best["bfloat16"] * _WORTH_ROUNDING < best["float32"]
        dtype = "bfloat16" if half else "float32"
    by_threads = seconds.get(dtype, seconds["float32"])  # float16 is not measured
    return Speed(dtype, int(min(by_threads, key=by_threads.__getitem__)))


def measure(config: Any) -> Seconds:
    """Time the sample in every type and with 1, 2, 4, ... threads, as many as torch may use."""
    import torch
    from transformers import AutoModel

    most = torch.get_num_threads()
    counts = sorted({most, *(2**n for n in range(most.bit_length()) if 2**n <= most)})
    shape = copy.deepcopy(config)
    shape.num_hidden_layers = 2
    if getattr(shape, "layer_types", None):
        shape.layer_types = shape.layer_types[:2]
    prompt = min(_PROMPT, positions(config) or _PROMPT)
    seconds: Seconds = {}
    to_beat = float("inf")
    try:
        for dtype in ("float32", "bfloat16"):
            model = AutoModel.from_config(shape, dtype=getattr(torch, dtype)).eval()
            seconds[dtype] = {}
            for threads in counts:
                torch.set_num_threads(threads)
                total = _pass_seconds(model, prompt, to_beat)
                if total < to_beat:
                    total += _DECISIONS * _pass_seconds(model, 1)
                seconds[dtype][str(threads)] = round(total, 5)
            to_beat = min(to_beat, *seconds[dtype].values())
    finally:
        torch.set_num_threads(most)
    _log.info("measured this CPU: %s", seconds)
    return seconds


def _pass_seconds(model: Any, tokens: int, hopeless: float = float("inf")) -> float:
    """The best of five passes; of two where those took ``hopeless`` seconds, since a CPU without
    half precision takes that long for it that a first start would wait."""
    import torch

    best = float("inf")
    with torch.inference_mode():
        for done in range(5):
            begin = time.perf_counter()
            model(torch.ones((1, tokens), dtype=torch.long), use_cache=False)
            best = min(best, time.perf_counter() - begin)
            if done and best >= hopeless:
                break
    return best


def cpu_name() -> str:
    """The processor and the instructions that matter here: half precision is quick with AMX."""
    import torch

    name, amx = platform.processor() or platform.machine(), ""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        text = info.read_text()
        lines = text.splitlines()
        name = next((line.split(":")[1].strip() for line in lines if "model name" in line), name)
        amx = " AMX" if "amx_bf16" in text else ""
    return f"{name} {torch.backends.cpu.get_cpu_capability()}{amx}"


def _machine() -> str:
    import torch

    return f"{cpu_name()}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def _read(file: Path) -> dict[str, Seconds]:
    try:
        kept = json.loads(file.read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        _log.warning("%s is damaged (%s); this CPU is measured again", file, error)
        return {}
    return kept if isinstance(kept, dict) else {}
