"""Grounded generation: the model may write only what is on a list.

The options (candidate titles, supported keywords) form a token trie. The model walks it: where a
node has one way on, the tokens are forced and cost no forward pass of their own, since they run
together with the next decision; only at a branch is the model asked. What comes out is always one
of the options, and never the same one twice:

>>> from palr.llm.scripted import ScriptedLLM
>>> llm = ScriptedLLM(reply='"Heat", "Babe"')
>>> choices = select(llm, llm.start("..."), ['"Babe"', '"Heat"', '"Help!"'], k=2)
>>> [choice.index for choice in choices if choice]
[1, 0]
"""

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from palr.errors import LLMError
from palr.llm.base import Batch, Decoder, TokenLLM
from palr.llm.passes import UNSOUND

SEPARATOR = ", "
_ROOT = 0
_NONE = -1


@dataclass(frozen=True)
class Choice:
    """``index`` of the chosen option; ``logprob`` of choosing it among those that remained."""

    index: int
    logprob: float


@dataclass(frozen=True)
class Run:
    """Tokens that follow from what was chosen, to be appended before anything else happens.

    Where ``decide`` is set, the next token's log-probabilities are wanted behind them.
    """

    tokens: tuple[int, ...]
    decide: bool


Walk = Generator[Run | Choice, NDArray[np.float32] | None, None]
"""A walk over a trie: yields runs and choices, is sent log-probabilities after a deciding run."""


class OptionTrie:
    """Options as a token trie in flat arrays; node 0 is the root.

    ``_token[n]`` leads into node ``n``, ``_parent[n]``, ``_child[n]`` (the first) and
    ``_sibling[n]`` (the next) are nodes or -1. ``_weight[n]`` is the total weight of the options
    below ``n`` that are still to be had: taking one masks it, and nothing is rebuilt.

    Options may be prefixes of one another, or equal; equal ones are taken in order. ``weights``
    are positive prior odds of the options, by which a branch counts for all that lies below it;
    without them the model alone decides, as in plain constrained decoding.
    """

    def __init__(self, options: Sequence[Sequence[int]], weights: Sequence[float] | None = None):
        self._weighted = weights is not None
        self._prior = list(weights) if weights is not None else [1.0] * len(options)
        self._left = len(options)
        self._token, self._parent, self._child, self._sibling = [_NONE], [_NONE], [_NONE], [_NONE]
        self._weight: list[float] = [0.0]
        self._ends: dict[int, list[int]] = {}
        for index, tokens in enumerate(options):
            node = _ROOT
            for token in tokens:
                node = self._step(node, token)
            self._ends.setdefault(node, []).append(index)
            self._add(node, self._prior[index])

    def __len__(self) -> int:
        return self._left

    def walk(self, k: int, separator: Sequence[int]) -> Walk:
        """Choose up to ``k`` options, one after the other, with ``separator`` between them.

        The separator's first token also stands for stopping at an option that is a prefix of
        another one.
        """
        pending: list[int] = []
        for position in range(min(k, self._left)):
            if position:
                pending.extend(separator)
            node, logprob = _ROOT, 0.0
            while True:
                ways = self._ways(node, separator[0])
                best = 0
                if len(ways) > 1:
                    logprobs = yield Run(tuple(pending), decide=True)
                    assert logprobs is not None
                    pending = []
                    scores = self._scores(node, ways, logprobs)
                    best = max(range(len(ways)), key=scores.__getitem__)
                    logprob += scores[best] - _logsumexp(scores)
                token, child = ways[best]
                if child == _NONE:
                    break
                pending.append(token)
                node = child
            index = self._ends[node].pop(0)
            self._add(node, -self._prior[index])
            self._left -= 1
            # Before the choice, so that whoever stops at it has the whole option written.
            yield Run(tuple(pending), decide=False)
            pending = []
            yield Choice(index, logprob)

    def _step(self, node: int, token: int) -> int:
        """The child of ``node`` by ``token``, made where it is not there yet."""
        child, last = self._child[node], _NONE
        while child != _NONE:
            if self._token[child] == token:
                return child
            child, last = self._sibling[child], child
        new = len(self._token)
        self._token.append(token)
        self._parent.append(node)
        self._child.append(_NONE)
        self._sibling.append(_NONE)
        self._weight.append(0.0)
        if last == _NONE:
            self._child[node] = new
        else:
            self._sibling[last] = new
        return new

    def _ways(self, node: int, end: int) -> list[tuple[int, int]]:
        """Token and child of each way on that still leads to an option; -1 stands for stopping."""
        ways = []
        child = self._child[node]
        while child != _NONE:
            if self._weight[child]:
                ways.append((self._token[child], child))
            child = self._sibling[child]
        if self._ends.get(node):
            ways.append((end, _NONE))
        return ways

    def _scores(
        self, node: int, ways: Sequence[tuple[int, int]], logprobs: NDArray[np.float32]
    ) -> list[float]:
        scores = [float(logprobs[token]) for token, _ in ways]
        if any(map(math.isnan, scores)) or not math.isfinite(max(scores)):
            raise LLMError(f"the language model gave scores that are not finite: {UNSOUND}")
        if not self._weighted:
            return scores
        weights = [
            self._prior[self._ends[node][0]] if child == _NONE else self._weight[child]
            for _, child in ways
        ]
        return [score + math.log(weight) for score, weight in zip(scores, weights, strict=True)]

    def _add(self, node: int, weight: float) -> None:
        while node != _NONE:
            total = self._weight[node] + weight
            self._weight[node] = total if total > 1e-9 else 0.0
            node = self._parent[node]


def select(
    llm: TokenLLM,
    decoder: Decoder,
    options: Sequence[str],
    k: int,
    weights: Sequence[float] | None = None,
) -> Iterator[Choice | None]:
    """Let the model write ``k`` distinct options, separated by commas, best first.

    Fewer come out only when fewer options exist. Options must not be empty. None comes before each
    forward pass, so that whoever iterates can stop there.
    """
    walk = _walk(llm, options, k, weights)
    answer: NDArray[np.float32] | None = None
    while True:
        try:
            step = walk.send(answer)
        except StopIteration:
            return
        answer = None
        if isinstance(step, Choice):
            yield step
            continue
        decoder.feed(step.tokens)
        if step.decide:
            yield None
            for _ in decoder.passes():
                yield None
            answer = decoder.logprobs()


def select_many(
    llm: TokenLLM,
    batch: Batch,
    options: Sequence[Sequence[str]],
    k: int,
    weights: Sequence[Sequence[float] | None] = (),
) -> list[list[Choice]]:
    """`select` for each row of a batch; rows that need a decision take it in one forward pass."""
    given = weights or [None] * len(options)
    walks = [_walk(llm, names, k, odds) for names, odds in zip(options, given, strict=True)]
    choices: list[list[Choice]] = [[] for _ in walks]
    deciding = [row for row in range(len(walks)) if _advance(row, walks, batch, choices, None)]
    while deciding:
        logprobs = batch.logprobs()
        deciding = [row for row in deciding if _advance(row, walks, batch, choices, logprobs[row])]
    return choices


def _walk(
    llm: TokenLLM, options: Sequence[str], k: int, weights: Sequence[float] | None = None
) -> Walk:
    trie = OptionTrie([llm.encode_answer(option) for option in options], weights)
    return trie.walk(k, llm.encode_answer(SEPARATOR))


def _advance(
    row: int,
    walks: Sequence[Walk],
    batch: Batch,
    choices: Sequence[list[Choice]],
    answer: NDArray[np.float32] | None,
) -> bool:
    """Go on to the row's next decision; False where its answer is complete."""
    while True:
        try:
            step = walks[row].send(answer)
        except StopIteration:
            return False
        answer = None
        if isinstance(step, Choice):
            choices[row].append(step)
            continue
        batch.feed(row, step.tokens)
        if step.decide:
            return True


def _logsumexp(values: Sequence[float]) -> float:
    top = max(values)
    return top + math.log(sum(math.exp(value - top) for value in values))
