"""Grounded generation: the model may write only what is on a list.

The options (candidate titles, supported keywords) form a token trie. The model walks it: where a
node has one way on, the tokens are forced and cost no forward pass of their own, since
`Decoder.feed` gathers them; only at a branch is the model asked. What comes out is always one of
the options, and never the same one twice:

>>> from palr.llm.scripted import ScriptedLLM
>>> llm = ScriptedLLM(reply='"Heat", "Babe"')
>>> choices = select(llm, llm.start("..."), ['"Babe"', '"Heat"', '"Help!"'], k=2)
>>> [choice.index for choice in choices]
[1, 0]
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from palr.llm.base import Decoder, TokenLLM

SEPARATOR = ", "


@dataclass
class _Node:
    """``weight`` is the total weight of the options below that are still to be had."""

    children: dict[int, "_Node"] = field(default_factory=dict)
    options: list[int] = field(default_factory=list)
    weight: float = 0.0


@dataclass(frozen=True)
class Choice:
    """``index`` of the chosen option; ``logprob`` of choosing it among those that remained."""

    index: int
    logprob: float


class OptionTrie:
    """The options that remain, as a trie over token ids.

    Options may be prefixes of one another, or equal; equal ones are taken in order. ``weights``
    are positive prior odds of the options, by which a branch counts for all that lies below it;
    without them the model alone decides, as in plain constrained decoding.
    """

    def __init__(self, options: Sequence[Sequence[int]], weights: Sequence[float] | None = None):
        self._options = [tuple(tokens) for tokens in options]
        self._weighted = weights is not None
        self._weights = list(weights) if weights is not None else [1.0] * len(self._options)
        self._root = _Node()
        for index, tokens in enumerate(self._options):
            self._path(tokens)[-1].options.append(index)
        for index in range(len(self._options)):
            self._add(index, self._weights[index])
        self._left = len(self._options)

    def __len__(self) -> int:
        return self._left

    def take(self, decoder: Decoder, end: int) -> Choice:
        """Walk to one option, feed its tokens, and remove it.

        ``end`` is the token that would follow a finished option: it stands for stopping at an
        option that is a prefix of another.
        """
        node, logprob = self._root, 0.0
        while True:
            ways: list[tuple[int, _Node | None, float]] = [
                (token, child, child.weight)
                for token, child in node.children.items()
                if child.weight
            ]
            if node.options:
                stop_weight = self._weights[node.options[0]]
                ways.append((end, None, stop_weight))
            if len(ways) == 1:
                token, child, _ = ways[0]
            else:
                logprobs = decoder.logprobs()
                scores = [
                    float(logprobs[token]) + (math.log(weight) if self._weighted else 0.0)
                    for token, _, weight in ways
                ]
                best = max(range(len(ways)), key=scores.__getitem__)
                logprob += scores[best] - _logsumexp(scores)
                token, child, _ = ways[best]
            if child is None:
                index = node.options.pop(0)
                self._add(index, -self._weights[index])
                self._left -= 1
                return Choice(index, logprob)
            decoder.feed([token])
            node = child

    def _path(self, tokens: Sequence[int]) -> list[_Node]:
        nodes = [self._root]
        for token in tokens:
            nodes.append(nodes[-1].children.setdefault(token, _Node()))
        return nodes

    def _add(self, index: int, weight: float) -> None:
        for node in self._path(self._options[index]):
            total = node.weight + weight
            node.weight = total if total > 1e-9 else 0.0


def select(
    llm: TokenLLM,
    decoder: Decoder,
    options: Sequence[str],
    k: int,
    weights: Sequence[float] | None = None,
) -> Iterator[Choice]:
    """Let the model write ``k`` distinct options, separated by commas, best first.

    Fewer come out only when fewer options exist. Options must not be empty.
    """
    trie = OptionTrie([llm.encode_answer(option) for option in options], weights)
    separator = llm.encode_answer(SEPARATOR)
    for position in range(min(k, len(trie))):
        if position:
            decoder.feed(separator)
        yield trie.take(decoder, end=separator[0])


def _logsumexp(values: Sequence[float]) -> float:
    top = max(values)
    return top + math.log(sum(math.exp(value - top) for value in values))
