"""The natural-language user profile (paper, section 2.1): keywords, then two sentences.

A small model asked freely for a profile invents one. Written *grounded*, every decision stays the
model's, but only among what the picks support: which keywords (`supported_keywords`), how the first
sentence puts them and which picks it names, and which observation follows. Written *free*, the
profile is the model's own text, as in the paper's Figure 2, and whatever the picks do not support
is removed and reported. A model behind HTTP always writes freely.
"""

import math
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from palr.catalog.catalog import Catalog
from palr.llm.base import LLM, Cut, TokenLLM
from palr.llm.grounding import select
from palr.llm.reasoning import answer_of, why_unanswered
from palr.profile_sentences import observations, taste_sentences
from palr.prompts import as_sent, fit, profile_prompt
from palr.retrieval.steer import Taste
from palr.text import is_decade
from palr.types import Item, Keyword, Profile, Prompt, Writing

N_KEYWORDS = 5
N_THEMES = 3  # keywords of a profile that move candidates: more of them overlap
FREE_FROM = 1_000_000_000  # parameters from which on a model writes a profile of its own
_POOL = 12
_ANSWER_TOKENS = 160
_MOST_TOKENS = 4096  # the reasoning before the answer included
_WORD = re.compile(r"[\w'&-]+")
_SELF = re.compile(r"(?:I|I['\u2019]m|Sorry|As an AI)\b")  # such as a refusal


def written_freely(llm: LLM, writing: Writing) -> bool:
    """Whether a model writes its profile in its own words.

    Args:
        llm: The model; behind HTTP it cannot be held to sentences.
        writing: "auto" takes its size: `FREE_FROM` parameters.
    """
    if not isinstance(llm, TokenLLM):
        return True
    return writing == "free" or (writing == "auto" and llm.parameters >= FREE_FROM)


def write_profile(
    history: Sequence[Item], catalog: Catalog, llm: LLM, freely: bool | None = None
) -> Generator[Profile | None]:
    """Stream the profile: each one holds what is written so far; the last one is complete.

    None comes wherever the work can be stopped; closing the iterator stops the model within one
    forward pass.

    Args:
        history: The picks that the prompt shows, oldest first.
        catalog: Whose keywords can be chosen.
        llm: The model that writes.
        freely: Whether in its own words; by its size unless given.

    Raises:
        LLMError: the model failed.
    """
    if freely is None:
        freely = written_freely(llm, "auto")
    support = supported_keywords(history, catalog)
    prompt = fit_profile_prompt(history, catalog, llm)
    profile = Profile(prompt=prompt)
    yield profile
    if not support:
        yield replace(
            profile, repairs=("the picks carry no keywords, so there is nothing to summarise",)
        )
    elif isinstance(llm, TokenLLM) and not freely:
        yield from _grounded(profile, history, catalog, llm, support)
    else:
        yield from _free(profile, catalog, llm, support)


def fit_profile_prompt(history: Sequence[Item], catalog: Catalog, llm: LLM) -> Prompt:
    """The fullest profile prompt that leaves room for its answer.

    Args:
        history: The picks, oldest first.
        catalog: Whose keywords can be chosen.
        llm: The model that will write.
    """
    n_keywords = min(N_KEYWORDS, len(supported_keywords(history, catalog)))
    room = llm.context_length - _ANSWER_TOKENS
    domain = catalog.domain
    prompt, _ = fit(
        lambda limits: profile_prompt(domain, history, n_keywords, limits),
        lambda prompt, _: llm.count_tokens(llm.render(prompt.text)) <= room,
        longest_title=max((len(domain.name(item)) for item in history), default=0),
        n_history=len(history),
        n_candidates=0,
    )
    return as_sent(prompt, llm)


def supported_keywords(history: Sequence[Item], catalog: Catalog) -> dict[str, tuple[str, ...]]:
    """Keywords of the picks, most telling first, each with the ids of the picks that carry it.

    Ordered by `_weights`. Keywords of a single pick are left out while enough are shared; a decade
    counts only where most picks share it.
    """
    support: dict[str, tuple[str, ...]] = {}
    for item in history:
        for keyword in dict.fromkeys(item.keywords):
            support[keyword] = (*support.get(keyword, ()), item.id)
    weights = _weights(support, catalog)
    ranked = sorted(support, key=lambda keyword: -weights[keyword])
    ranked = [
        keyword
        for keyword in ranked
        if not is_decade(keyword) or 2 * len(support[keyword]) > len(history)
    ]
    shared = [keyword for keyword in ranked if len(support[keyword]) > 1]
    pool = shared if len(shared) >= N_KEYWORDS else ranked
    return {keyword: support[keyword] for keyword in pool[:_POOL]}


def unsupported_keywords(
    text: str, support: dict[str, tuple[str, ...]], catalog: Catalog
) -> list[str]:
    """Keywords of the catalog that ``text`` mentions although no pick carries them.

    Args:
        text: A sentence on the picks.
        support: The keywords that picks carry, with the ids of the picks.
        catalog: Whose keywords are looked for.
    """
    supported = " ".join(support).casefold()
    words = " ".join(["", *_WORD.findall(text.casefold()), ""])
    return sorted(
        keyword
        for keyword in catalog.keyword_counts
        if keyword not in supported and f" {keyword.casefold()} " in words
    )


def _weights(support: dict[str, tuple[str, ...]], catalog: Catalog) -> dict[str, float]:
    """(support x log(1 + N / document frequency))²: what many picks share and few items have.

    Squared, so that a small model's likelihoods cannot outvote clear evidence.
    """
    n_items = len(catalog.items)
    return {
        keyword: (len(ids) * math.log(1 + n_items / max(catalog.keyword_counts[keyword], 1))) ** 2
        for keyword, ids in support.items()
    }


def best_keywords(history: Sequence[Item], catalog: Catalog) -> tuple[str, ...]:
    """The `N_THEMES` keywords, decades aside, for which a history has the strongest evidence."""
    weights = _weights(supported_keywords(history, catalog), catalog)
    themes = [keyword for keyword in weights if not is_decade(keyword)]
    return tuple(sorted(themes, key=lambda keyword: -weights[keyword])[:N_THEMES])


def taste_of(profile: Profile, n_picks: int, weight: float) -> Taste:
    """What a profile says to the retriever: its first keywords, decades aside, with the share of
    the picks that carry each.

    Args:
        profile: Its keywords name the picks that support them.
        n_picks: How many picks the profile was written from.
        weight: From 0, the profile does not count, to 1.
    """
    themes = [k for k in profile.keywords if k.support and not is_decade(k.text)]
    shares = ((k.text, min(len(k.support) / max(n_picks, 1), 1.0)) for k in themes[:N_THEMES])
    return Taste(tuple(shares), weight)


def _grounded(
    profile: Profile,
    history: Sequence[Item],
    catalog: Catalog,
    llm: TokenLLM,
    support: dict[str, tuple[str, ...]],
) -> Iterator[Profile | None]:
    assert profile.prompt is not None
    decoder = llm.start(profile.prompt.text, profile.prompt.beginning)
    options = list(support)
    weights = list(_weights(support, catalog).values())
    decoder.feed(llm.encode_answer("Keywords: "))
    raw = "Keywords: "
    for choice in select(llm, decoder, options, N_KEYWORDS, weights):
        if choice is None:
            yield None
            continue
        text = options[choice.index]
        raw += (", " if profile.keywords else "") + text
        keyword = Keyword(text, support[text], choice.logprob)
        profile = replace(profile, keywords=(*profile.keywords, keyword), raw=raw)
        yield profile
    decoder.feed(llm.encode_answer("\nPreference: "))
    raw += "\nPreference: "
    for sentences in (
        taste_sentences(profile.keywords, history, catalog),
        observations(profile.keywords, history, catalog),
    ):
        if not sentences:
            continue
        space = " " if profile.text else ""
        for choice in select(llm, decoder, [space + s for s in sentences], k=1):
            if choice is None:
                yield None
                continue
            said = space + sentences[choice.index]
            raw += said
            profile = replace(profile, text=profile.text + said, raw=raw)
            yield profile


def _free(
    profile: Profile, catalog: Catalog, llm: LLM, support: dict[str, tuple[str, ...]]
) -> Iterator[Profile | None]:
    """Stream the model's own text; what no pick supports is dropped and reported."""
    assert profile.prompt is not None
    room = llm.context_length - llm.count_tokens(profile.prompt.rendered)
    raw, cut, written = "", "", 0
    with closing(
        llm.generate(profile.prompt.text, max_tokens=max(_ANSWER_TOKENS, min(room, _MOST_TOKENS)))
    ) as pieces:
        for piece in pieces:
            cut = piece.by if isinstance(piece, Cut) else ""
            raw += piece or ""
            answer = answer_of(raw)
            yield _read(profile, answer, support, catalog, raw) if piece else None
            # Only the answer is bounded: a model may think at length before it.
            written += bool(piece and answer)
            if written == _ANSWER_TOKENS:
                break
    profile = _read(profile, answer_of(raw), support, catalog, raw)
    named = [keyword.text for keyword in profile.keywords]
    texts = (named + [keyword for keyword in support if keyword not in named])[:N_KEYWORDS]
    repairs = list(profile.repairs)
    if len(named) < len(texts):
        repairs.insert(
            0, f"the model named {len(named)} supported keywords; the rest are the picks' own"
        )
    if wrong := why_unanswered(raw, cut):
        repairs.insert(0, f"the model wrote no profile: its answer {wrong}")
    keywords = tuple(Keyword(text, support[text]) for text in texts)
    yield replace(profile, keywords=keywords, repairs=tuple(repairs))


def _read(
    profile: Profile,
    answer: str,
    support: dict[str, tuple[str, ...]],
    catalog: Catalog,
    raw: str,
) -> Profile:
    """The supported keywords and the first two supported sentences of an answer so far."""
    named = [word for word in support if re.search(rf"\b{re.escape(word)}\b", answer, re.I)]
    named.sort(key=lambda keyword: answer.casefold().index(keyword.casefold()))
    kept, repairs = [], []
    for sentence in re.findall(r"[A-Z][^.!?\n]{20,}[.!?]", answer):
        unsupported = unsupported_keywords(sentence, support, catalog)
        if _SELF.match(sentence):
            repairs.append("a sentence was removed: it is about the model")
        elif unsupported:
            repairs.append(f"a sentence was removed: no pick supports {', '.join(unsupported)}")
        else:
            kept.append(sentence.strip())
    keywords = tuple(Keyword(text, support[text]) for text in named[:N_KEYWORDS])
    text = " ".join(kept[:2])
    return replace(profile, keywords=keywords, text=text, raw=raw, repairs=tuple(repairs))
