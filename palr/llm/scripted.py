"""A language model that follows a script: part of the product, so that tests patch nothing.

Its tokens are bytes. It gives nearly all probability to the next byte of its reply while the
answer so far agrees with the reply, and is indifferent from then on.
"""

import re
from collections.abc import Callable, Generator, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from palr.llm.adapters import Adapter
from palr.llm.base import Batch, Cut, Decoder

_QUOTED = re.compile(r'"([^"]*)"')


def reversed_candidates(prompt: str) -> str:
    """The default script: answer with the prompt's candidates, last one first."""
    _, _, listed = prompt.partition("The candidates are ")
    return ", ".join(f'"{name}"' for name in reversed(_QUOTED.findall(listed)))


class ScriptedLLM:
    """``reply`` is the answer to every prompt, or a function from the prompt to its answer."""

    name = "scripted"
    adapter: Adapter | None = None
    gains_by_batches = False
    parameters = 0

    def __init__(
        self, reply: str | Callable[[str], str] = reversed_candidates, context_length: int = 65536
    ):
        self._reply = reply
        self.context_length = context_length

    def render(self, text: str) -> str:
        return text + "\n"

    def count_tokens(self, text: str) -> int:
        return len(text.encode())

    def generate(self, text: str, *, max_tokens: int) -> Generator[str | None]:
        answer = self._answer(text)
        yield from re.findall(r"\S+\s*|\s+", answer[:max_tokens])
        if len(answer) > max_tokens:
            yield Cut("the limit of tokens")

    def encode_answer(self, text: str) -> list[int]:
        return list(text.encode())

    def start(self, text: str, beginning: str = "", marks: Sequence[int] = ()) -> Decoder:
        return self._decoder(text, marks)

    def start_many(self, texts: Sequence[str], marks: Sequence[Sequence[int]] = ()) -> Batch:
        all_marks = marks or [()] * len(texts)
        return _ScriptedBatch(
            [self._decoder(text, row) for text, row in zip(texts, all_marks, strict=True)]
        )

    def read_ahead(self, beginning: str) -> Iterator[None]:
        return iter(())  # a script is known by heart

    def _decoder(self, text: str, marks: Sequence[int]) -> "_ScriptedDecoder":
        """Behind a mark it says "yes", the likelier the sooner the reply names what ends there."""
        reply = self._answer(text)
        named = _QUOTED.findall(reply)
        ending = [_QUOTED.findall(text[:mark])[-1:] for mark in marks]
        places = [named.index(name[0]) if name and name[0] in named else None for name in ending]
        return _ScriptedDecoder(reply.encode(), [_yes(place) for place in places])

    def _answer(self, text: str) -> str:
        return self._reply(text) if callable(self._reply) else self._reply


def _yes(place: int | None) -> NDArray[np.float32]:
    """Log-probabilities after a name; ``place`` is where the reply has it, None for nowhere."""
    probabilities = np.full(256, 1e-6)
    probabilities[ord("y")] = 1e-3 if place is None else 1 / (place + 2)
    probabilities[ord("n")] = 1 - probabilities[ord("y")]
    logprobs: NDArray[np.float32] = np.log(probabilities / probabilities.sum())
    return logprobs.astype(np.float32)


class _ScriptedDecoder:
    def __init__(self, reply: bytes, marked: Sequence[NDArray[np.float32]] = ()):
        self._reply = reply
        self._marked = marked
        self._answer = b""
        self._pending = True
        self.forward_passes = 0

    def feed(self, tokens: Sequence[int]) -> None:
        self._answer += bytes(tokens)
        self._pending = True

    def passes(self) -> Iterator[None]:
        self.forward_passes += self._pending
        self._pending = False
        return iter(())

    def logprobs(self) -> NDArray[np.float32]:
        self.passes()
        return self._after(self._answer)

    def marked(self) -> NDArray[np.float32]:
        self.passes()
        return np.stack(self._marked)

    def score(self, continuations: Sequence[Sequence[int]]) -> Iterator[float]:
        self.forward_passes += 1
        for tokens in continuations:
            steps = enumerate(tokens)
            yield float(
                np.mean([self._after(self._answer + bytes(tokens[:n]))[t] for n, t in steps])
            )

    def _after(self, answer: bytes) -> NDArray[np.float32]:
        probabilities = np.full(256, 1e-6)
        written = len(answer)
        if written < len(self._reply) and self._reply.startswith(answer):
            probabilities[self._reply[written]] = 1.0
        logprobs: NDArray[np.float32] = np.log(probabilities / probabilities.sum())
        return logprobs.astype(np.float32)


class _ScriptedBatch:
    def __init__(self, rows: Sequence[_ScriptedDecoder]):
        self._rows = rows
        self.forward_passes = 0

    def feed(self, row: int, tokens: Sequence[int]) -> None:
        self._rows[row].feed(tokens)

    def logprobs(self) -> NDArray[np.float32]:
        self.forward_passes += 1
        return np.stack([row.logprobs() for row in self._rows])

    def marked(self) -> list[NDArray[np.float32]]:
        self.forward_passes += 1
        return [row.marked() for row in self._rows]

    def score(self, continuations: Sequence[Sequence[Sequence[int]]]) -> list[list[float]]:
        self.forward_passes += 1
        return [list(r.score(tokens)) for r, tokens in zip(self._rows, continuations, strict=True)]
