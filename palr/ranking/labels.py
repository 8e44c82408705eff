"""The labels by which a prompt names its candidates: one token each, all different."""

import string
from itertools import product
from weakref import WeakKeyDictionary

from palr.llm.base import LLM, TokenLLM

_LETTERS = string.ascii_uppercase + string.ascii_lowercase
_labels_of: WeakKeyDictionary[TokenLLM, dict[int, tuple[str, ...]]] = WeakKeyDictionary()


def labels(llm: LLM, n: int) -> tuple[str, ...]:
    """Up to ``n`` labels that are one token each where an answer begins, all different.

    Fewer come back where the tokenizer has no more of them. Where it is out of reach, only letters
    are taken, which every tokenizer in use has.
    """
    if not isinstance(llm, TokenLLM):
        return tuple(_LETTERS[:n])
    known = _labels_of.setdefault(llm, {})
    if n not in known:
        known[n] = _single_tokens(llm, n)
    return known[n]


def _single_tokens(llm: TokenLLM, n: int) -> tuple[str, ...]:
    pool = [*_LETTERS, *(a + b for a, b in product(string.ascii_uppercase, repeat=2))]
    found: dict[int, str] = {}
    for label in pool:
        if len(found) == n:
            break
        tokens = llm.encode_answer(label)
        if len(tokens) == 1:
            found.setdefault(tokens[0], label)
    return tuple(found.values())
