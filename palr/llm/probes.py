"""What a model can do besides reading a whole text at once, found out by trying.

The quick ways to run a model are right for some architectures and wrong for others, most often
without an error. So each is tried on a few tokens first, against one plain pass over all of them.
"""

import logging
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palr.errors import LLMError
from palr.llm.passes import UNSOUND, forward, guarded

_TOKENS, _CUT = 24, 16  # of the sample; where its first piece ends
_FIRST, _USUAL = 31, 400  # among the lowest ids, behind the special ones, every model has tokens
_APART = {"float32": 0.005}  # of the difference that other tokens make: rounding stays below it
_APART_ROUNDED = 0.25  # in half precision

_found: dict[tuple[int, str], bool] = {}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sample:
    """A few tokens, and what the model says of them in one plain pass.

    Attributes:
        begin: Tokens of a first piece.
        rest: Those that follow.
        other: As many as both, with the same beginning, other tokens behind it, and the same last.
        logprobs: Log-probabilities behind the last token of ``begin`` and each of ``rest``,
            (1 + rest, vocabulary).
        least: What differs by less is the same.
    """

    begin: list[int]
    rest: list[int]
    other: list[int]
    logprobs: NDArray[np.float32]
    least: float

    @property
    def score(self) -> float:
        """Mean log-probability of ``rest`` behind ``begin``."""
        rows = zip(self.logprobs[:-1], self.rest, strict=True)
        return float(np.mean([row[token] for row, token in rows]))

    def agrees(self, found: NDArray[np.float32], at: int = -1) -> bool:
        """Whether these are the log-probabilities in row ``at``."""
        return _difference(found, self.logprobs[at]) <= self.least


def sample(model: Any) -> Sample:
    """Raises LLMError where the model fails, or says the same whatever it has read."""
    vocabulary = model.config.get_text_config(decoder=True).vocab_size
    tokens, other = (
        [5 + (n * step + _FIRST) % min(vocabulary - 5, _USUAL) for n in range(_TOKENS)]
        for step in (17, 29)
    )
    other = [*tokens[:_CUT], *other[_CUT:-1], tokens[-1]]
    with guarded(model):
        keep = range(_CUT - 1, _TOKENS)
        logprobs = forward(model, tokens, keep, use_cache=False).cpu().numpy()
        elsewhere = forward(model, other, keep, use_cache=False).cpu().numpy()
    effect = _difference(logprobs[-1], elsewhere[-1])
    if not effect:
        raise LLMError(f"the language model says the same whatever it reads: {UNSOUND}")
    dtype = str(model.dtype).removeprefix("torch.")
    least = effect * _APART.get(dtype, _APART_ROUNDED)
    if _difference(logprobs[0], elsewhere[0]) > least:
        raise LLMError(
            f"this model ({model.config.model_type}) reads what follows a word too, and so cannot "
            "write: set PALR_LLM to a causal language model"
        )
    return Sample(tokens[:_CUT], tokens[_CUT:], other, logprobs, least)


def remembered(model: Any, question: str, probe: Callable[[Sample], bool], otherwise: str) -> bool:
    """The answer of ``probe``, asked once for each configuration of a model; no where a pass fails
    in it. ``otherwise`` says what follows from a no, for the log.

    Raises:
        LLMError: the model fails in a plain pass too.
    """
    key = (id(model.config), question)
    if key not in _found:
        known = sample(model)
        try:
            answer, why = probe(known), "else its numbers would be others"
        except LLMError as error:
            answer, why = False, str(error)
        if not answer:
            _log.warning("%s: %s (%s)", model.config.model_type, otherwise, why)
        _found[key] = answer
        weakref.finalize(model.config, _found.pop, key, None)
    return _found[key]


def _difference(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Root mean square over the vocabulary, without tokens that cannot come at all."""
    with np.errstate(invalid="ignore"):
        squares = np.square(one.astype(np.float64) - other)
    return float(np.sqrt(np.mean(squares[np.isfinite(squares)])))
