"""The shortest time that a ranking could take on this machine, measured now.

One pass over the whole prompt, and one pass of a single token for each further pass that the run
made. Nothing that decides token by token can be faster with this model; a run can be, where part of
its prompt had been read while its visitor was still picking.
"""

import time
from collections.abc import Generator
from dataclasses import dataclass

from palr.errors import PalrError
from palr.insight.rerun import Progress
from palr.llm.base import LLM
from palr.llm.transformers import TransformersLLM
from palr.types import Recommendation

_SAMPLE = 9  # passes of one token, of which the middle one counts
_ANY = 5  # a token like any other


@dataclass(frozen=True)
class Floor:
    """``prompt`` and ``one`` are the seconds of a pass over the prompt and over one token,
    ``further`` the number of the latter."""

    prompt: float
    one: float
    further: int

    @property
    def seconds(self) -> float:
        return self.prompt + self.further * self.one


def measure_floor(trace: Recommendation, llm: LLM) -> Generator[Progress | Floor]:
    """Yield progress, then the `Floor` under the run's ranking.

    Raises:
        PalrError: the model is not in this process, or did not rank the run.
    """
    if not isinstance(llm, TransformersLLM):
        raise PalrError(f"{llm.name} does not run in this process: its floor cannot be measured")
    if not trace.prompt or not trace.ranking or trace.fallback:
        raise PalrError("the language model did not rank this run: press Recommend again")
    from palr.llm.decoder import TransformersDecoder

    total = 1 + _SAMPLE
    yield Progress(0, total)
    decoder = TransformersDecoder(llm.model, llm.encode_prompt(trace.prompt.text))
    begin = time.perf_counter()
    decoder.logprobs()
    prompt = time.perf_counter() - begin
    times = []
    for n in range(_SAMPLE):
        yield Progress(1 + n, total)
        decoder.feed([_ANY])
        begin = time.perf_counter()
        decoder.logprobs()
        times.append(time.perf_counter() - begin)
    read = llm.prompt_passes(trace.prompt.text, trace.prompt.beginning)
    further = max((trace.ranking.forward_passes or 0) - read, 0)
    yield Floor(prompt, sorted(times)[_SAMPLE // 2], further)
