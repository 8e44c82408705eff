"""One line on why each recommendation suits the picks, written by the model.

The model chooses among sentences that are true: each names keywords that the item shares with
picks, and picks that carry every one of them. A model behind HTTP writes freely, and its sentence
is kept only where it mentions a shared keyword and none that is not.
"""

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import combinations

from palr.catalog.catalog import Catalog
from palr.domains import Domain
from palr.insight.rerun import Progress, shown_history
from palr.insight.ties import tie_of
from palr.llm.base import LLM, TokenLLM
from palr.llm.grounding import select
from palr.llm.reasoning import answer_of
from palr.profile import unsupported_keywords
from palr.prompts import explanation_prompt, shorten
from palr.text import spoken_list
from palr.types import Item, Recommendation

_TELLING = 4  # shared keywords that a sentence may draw on, the rarest in the catalog first
_EXAMPLES = 3  # picks that it may name
_NAME_LIMIT = 60
_WORDS = 60  # tokens of a sentence that is written freely
_SENTENCE = re.compile(r"[^.!?\n]{10,240}[.!?]")


@dataclass(frozen=True)
class Explanation:
    """Why an item suits the picks and the wish.

    Attributes:
        item: The recommendation.
        text: A sentence on what it shares with the picks; empty where that is no keyword.
        keywords: Those that it shares with them.
        generated: Whether the model chose or wrote the sentence.
        note: Why it did not.
        asked: Keywords of the item that were asked for.
    """

    item: Item
    text: str
    keywords: tuple[str, ...]
    generated: bool = True
    note: str = ""
    asked: tuple[str, ...] = ()


def explain(
    trace: Recommendation,
    catalog: Catalog,
    llm: LLM,
    because: Mapping[str, Sequence[Item]] | None = None,
) -> Generator[Progress | tuple[Explanation, ...] | None]:
    """Yield progress, then an `Explanation` of each recommendation.

    Args:
        trace: A finished run.
        catalog: Whose keywords are meant.
        llm: The model that chooses or writes the sentences.
        because: The picks to prefer in the sentences on an item, by its id.

    Raises:
        LLMError: the model failed.
    """
    items = [ranked.item for ranked in trace.ranking.items] if trace.ranking else []
    found: list[Explanation] = []
    for item in items:
        yield Progress(len(found), len(items))
        history = shown_history(trace)
        preferred = [pick for pick in (because or {}).get(item.id, ()) if pick in history]
        picks = [*preferred, *(pick for pick in reversed(history) if pick not in preferred)]
        keywords = shared_keywords(item, picks, catalog)
        asked = tie_of(item, trace).asked
        explanation = Explanation(item, "", keywords, generated=False, asked=asked)
        if keywords:
            prompt = explanation_prompt(catalog.domain, history, item, keywords).text
            options = sentences(item, picks, keywords, catalog.domain)
            write = _chosen if isinstance(llm, TokenLLM) else _written
            for step in write(explanation, prompt, options, catalog, llm):
                explanation = step or explanation
                yield None
        found.append(explanation)
    yield tuple(found)


def shared_keywords(item: Item, picks: Sequence[Item], catalog: Catalog) -> tuple[str, ...]:
    """The item's keywords that a pick carries too, the rarest in the catalog first."""
    carried = {keyword for pick in picks for keyword in pick.keywords}
    shared = [keyword for keyword in dict.fromkeys(item.keywords) if keyword in carried]
    shared.sort(key=lambda keyword: catalog.keyword_counts[keyword])
    return tuple(shared[:_TELLING])


def sentences(
    item: Item, picks: Sequence[Item], keywords: Sequence[str], domain: Domain
) -> list[str]:
    """True sentences on what the item shares with picks.

    Args:
        item: The recommendation.
        picks: The picks, those to prefer first.
        keywords: Keywords that it shares with picks.
        domain: Whose wording the sentences have.
    """
    said = []
    for size in (2, 1):
        for chosen in combinations(keywords, size):
            carriers = [pick for pick in picks if set(chosen) <= set(pick.keywords)]
            names = spoken_list([shorten(pick.label, _NAME_LIMIT) for pick in carriers[:_EXAMPLES]])
            if not names:
                continue
            words = spoken_list(chosen)
            said += [
                f"It shares {words} with {names}.",
                f"What ties it to {names} is {words}.",
                f"Like {names}, this {domain.noun} stands for {words}.",
            ]
    return said


def _chosen(
    explanation: Explanation, prompt: str, options: Sequence[str], catalog: Catalog, llm: LLM
) -> Iterator[Explanation | None]:
    assert isinstance(llm, TokenLLM)
    for choice in select(llm, llm.start(prompt), options, k=1):
        if choice:
            text = options[choice.index]
            yield replace(explanation, text=text, generated=True)
        else:
            yield None


def _written(
    explanation: Explanation, prompt: str, options: Sequence[str], catalog: Catalog, llm: LLM
) -> Iterator[Explanation | None]:
    raw = ""
    with closing(llm.generate(prompt, max_tokens=_WORDS)) as pieces:
        for piece in pieces:
            raw += piece or ""
            yield None
    item, keywords = explanation.item, explanation.keywords
    match = _SENTENCE.search(answer_of(raw))
    text = match[0].strip() if match else ""
    carriers: tuple[str, ...] = (item.id,)
    support = dict.fromkeys(keywords, carriers)
    # Its own title is no claim about it.
    claims = text.casefold().replace(item.title.casefold(), "")
    wrong = unsupported_keywords(claims, support, catalog)
    if wrong:
        why = f"the model's sentence was dropped: the picks do not support {', '.join(wrong)}"
    elif not any(keyword.casefold() in claims for keyword in keywords):
        why = "the model's sentence was dropped: it names no shared keyword"
    else:
        yield replace(explanation, text=text, generated=True)
        return
    yield replace(explanation, text=options[0], note=why)
