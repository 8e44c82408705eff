"""What the pipeline asks of a language model.

`LLM` is all that any HTTP endpoint can offer: text in, text out; a `LabelLLM` also tells how likely
the labels are with which an answer may begin. `TokenLLM` adds what a model in this process can do,
a decoder whose next-token distribution is ours to constrain.

Whoever iterates can stop a model. There is one convention for it, here and in all that is built on
it, up to the page: a generator yields None wherever it can be stopped and has nothing new, which is
at least once between two forward passes and while a server is silent.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from palr.llm.adapters import Adapter

_T = TypeVar("_T")


class Cut(str):
    """The last piece of an answer that was ended before the model ended it. It has no text.

    Attributes:
        by: What ended it, in words.
    """

    by: str

    def __new__(cls, by: str) -> "Cut":
        piece = super().__new__(cls)
        piece.by = by
        return piece


@runtime_checkable
class LLM(Protocol):
    """A language model that continues a prompt."""

    @property
    def name(self) -> str:
        """What the page calls the model."""
        ...

    @property
    def adapter(self) -> Adapter | None:
        """The fine-tuned adapter at work; None means zero-shot."""
        ...

    @property
    def context_length(self) -> int:
        """Tokens that prompt and answer may take together."""
        ...

    def render(self, text: str) -> str:
        """The prompt as the model receives it: in its chat template where it has one.

        Markup tokens of the model that occur in ``text`` are defused, so that a title can never
        end the user's turn.
        """
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens of ``text``; an upper estimate where the tokenizer is out of reach."""
        ...

    def generate(self, text: str, *, max_tokens: int) -> Generator[str | None]:
        """Continue the rendered prompt greedily, piece by piece, until the model ends its turn.

        Where something else ends it, such as ``max_tokens``, a `Cut` comes last. Closing the
        iterator stops the model within one forward pass.

        Raises:
            LLMError: the model cannot be reached, or failed.
        """
        ...


@runtime_checkable
class LabelLLM(LLM, Protocol):
    """A model elsewhere that reports log-probabilities of an answer's first token."""

    def label_logprobs(
        self, text: str, labels: Sequence[str]
    ) -> Generator[Mapping[str, float] | None]:
        """The log-probabilities that the server reports, of all ``labels`` or of the likeliest.

        Raises:
            LLMError: the model cannot be reached, failed, or reports no log-probabilities.
        """
        ...


@runtime_checkable
class TokenLLM(LLM, Protocol):
    """A model whose decoding is ours to steer."""

    @property
    def parameters(self) -> int:
        """How many weights the model has."""
        ...

    @property
    def gains_by_batches(self) -> bool:
        """Whether many prompts take less time together than one after the other."""
        ...

    def encode_answer(self, text: str) -> list[int]:
        """Token ids of a piece of the answer, as they are at the start of a line."""
        ...

    def start(self, text: str, beginning: str = "", marks: Sequence[int] = ()) -> "Decoder":
        """A decoder at the start of the answer to a prompt.

        Args:
            text: The prompt, before `render`.
            beginning: How the text begins, as far as `read_ahead` may have read it.
            marks: Ascending places in the text, in characters, whose next token is wanted as well.
        """
        ...

    def start_many(self, texts: Sequence[str], marks: Sequence[Sequence[int]] = ()) -> "Batch":
        """`start` for many prompts at once; ``marks`` are those of each text, or none at all."""
        ...

    def read_ahead(self, beginning: str) -> Iterator[None]:
        """Read what prompts that begin like this have in common, to be quicker with them later.

        One forward pass a step. What those prompts give stays exactly the same.
        """
        ...


class Decoder(Protocol):
    """A position in an answer: the tokens so far live in a key-value cache."""

    @property
    def forward_passes(self) -> int:
        """Forward passes so far, the prompt's included."""
        ...

    def feed(self, tokens: Sequence[int]) -> None:
        """Append tokens; they run with the next call of `logprobs`, all in one forward pass."""
        ...

    def passes(self) -> Iterator[None]:
        """Run what is to be run before `logprobs`, coming back between two forward passes."""
        ...

    def logprobs(self) -> NDArray[np.float32]:
        """Log-probabilities of the next token, shape (vocabulary,)."""
        ...

    def marked(self) -> NDArray[np.float32]:
        """Log-probabilities of the token after each mark, shape (marks, vocabulary)."""
        ...

    def score(self, continuations: Sequence[Sequence[int]]) -> Iterator[float]:
        """Mean log-probability per token of each continuation, were it to come next.

        All share what is cached, and the position stays where it is. None may be empty. Each
        forward pass runs when the first score that needs it is asked for.
        """
        ...


class Batch(Protocol):
    """Positions in several answers that advance together: one forward pass serves them all."""

    @property
    def forward_passes(self) -> int:
        """Forward passes so far, each over all rows."""
        ...

    def feed(self, row: int, tokens: Sequence[int]) -> None:
        """Append tokens to one answer; they run with the next call of `logprobs`."""
        ...

    def logprobs(self) -> NDArray[np.float32]:
        """Log-probabilities of each answer's next token, shape (rows, vocabulary)."""
        ...

    def marked(self) -> list[NDArray[np.float32]]:
        """`Decoder.marked` of each row."""
        ...

    def score(self, continuations: Sequence[Sequence[Sequence[int]]]) -> list[list[float]]:
        """`Decoder.score` of each row's own continuations."""
        ...


def last(steps: Iterable[_T | None]) -> _T:
    """The last value of a generator that yields None where it can be stopped."""
    *_, value = (step for step in steps if step is not None)
    return value
