"""What the pipeline asks of a language model.

`LLM` is all that an HTTP endpoint can offer: text in, text out. `TokenLLM` adds what a model in
this process can do, a decoder whose next-token distribution is ours to constrain.
"""

from collections.abc import Generator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@runtime_checkable
class LLM(Protocol):
    """A language model that continues a prompt."""

    @property
    def name(self) -> str:
        """What the page calls the model."""
        ...

    @property
    def adapter(self) -> str | None:
        """Name of the fine-tuned adapter; None means zero-shot."""
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

    def generate(self, text: str, *, max_tokens: int) -> Generator[str]:
        """Continue the rendered prompt greedily, piece by piece, until the model ends its turn.

        Closing the iterator stops the model within one forward pass.

        Raises:
            LLMError: the model cannot be reached, or failed.
        """
        ...


@runtime_checkable
class TokenLLM(LLM, Protocol):
    """A model whose decoding is ours to steer."""

    def encode_answer(self, text: str) -> list[int]:
        """Token ids of a piece of the answer, as they are at the start of a line."""
        ...

    def start(self, text: str) -> "Decoder":
        """Stand behind the rendered prompt, at the start of the answer."""
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

    def logprobs(self) -> NDArray[np.float32]:
        """Log-probabilities of the next token, shape (vocabulary,)."""
        ...

    def score(self, continuations: Sequence[Sequence[int]]) -> list[float]:
        """Mean log-probability per token of each continuation, were it to come next.

        All share what is cached, and the position stays where it is. None may be empty.
        """
        ...
