"""What the pipeline asks of a language model.

`LLM` is all that any HTTP endpoint can offer: text in, text out; a `LabelLLM` also tells how likely
the labels are with which an answer may begin. `TokenLLM` adds what a model in this process can do,
a decoder whose next-token distribution is ours to constrain.

Whoever iterates can stop a model: every iterator here comes back between two forward passes, and a
server's silence comes back as empty pieces.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
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
    def modes(self) -> tuple[str, ...]:
        """Ranking modes that the adapter was trained for, the best first; empty where unknown."""
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

        A piece is empty where there is nothing to show yet. Closing the iterator stops the model
        within one forward pass.

        Raises:
            LLMError: the model cannot be reached, or failed.
        """
        ...


@runtime_checkable
class LabelLLM(LLM, Protocol):
    """A model elsewhere that tells log-probabilities of an answer's first token."""

    def label_logprobs(self, text: str, labels: Sequence[str]) -> Generator[Mapping[str, float]]:
        """The log-probabilities that the server tells, of all ``labels`` or of the likeliest.

        What is yielded before the last one is empty, and says only that the server is at work.

        Raises:
            LLMError: the model cannot be reached, failed, or tells no log-probabilities.
        """
        ...


@runtime_checkable
class TokenLLM(LLM, Protocol):
    """A model whose decoding is ours to steer."""

    @property
    def prior(self) -> float:
        """What the retriever's log-probabilities count in the scores of the adapter, which was
        trained on top of them; 0 where it was not."""
        ...

    @property
    def spread(self) -> float:
        """The standard deviation to which its scores of a list are brought before they are added
        to the retriever's; 0 where they stay as they are."""
        ...

    def behind(self, retriever: str) -> "TokenLLM":
        """This model with the prior and the spread that its adapter has for a retriever's lists."""
        ...

    @property
    def gains_by_batches(self) -> bool:
        """Whether many prompts take less time together than one after the other."""
        ...

    def encode_answer(self, text: str) -> list[int]:
        """Token ids of a piece of the answer, as they are at the start of a line."""
        ...

    def start(self, text: str, beginning: str = "", marks: Sequence[int] = ()) -> "Decoder":
        """Stand behind the rendered prompt, at the start of the answer.

        ``beginning`` is how the text begins, as far as `read_ahead` may know it. ``marks`` are
        ascending places in the text, counted in characters, whose next token is wanted as well.
        """
        ...

    def start_many(self, texts: Sequence[str], marks: Sequence[Sequence[int]] = ()) -> "Batch":
        """Stand behind many rendered prompts at once; ``marks`` are those of each text."""
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
        """Log-probabilities of the token behind each mark, shape (marks, vocabulary)."""
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
