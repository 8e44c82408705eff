"""The natural-language user profile (paper, section 2.1): keywords, then two sentences.

A small model asked freely for a profile invents one. Here every decision stays the model's, but
only among what the picks support: which keywords (`supported_keywords`), how the first sentence
puts them and which picks it names, and which observation follows. A model behind HTTP writes
freely, and whatever the picks do not support is removed and reported.
"""

import math
import re
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import permutations

from palr.catalog.catalog import Catalog
from palr.llm.base import LLM, TokenLLM
from palr.llm.grounding import select
from palr.prompts import as_sent, fit, profile_prompt, shorten
from palr.retrieval.steer import Taste
from palr.text import is_decade, spoken_list
from palr.types import Item, Keyword, Profile, Prompt

N_KEYWORDS = 5
N_THEMES = 3  # keywords of a profile that move candidates: more of them overlap
_POOL = 12
_ANSWER_TOKENS = 160
_NAME_LIMIT = 48
_WORD = re.compile(r"[\w'&-]+")


def write_profile(history: Sequence[Item], catalog: Catalog, llm: LLM) -> Generator[Profile | None]:
    """Stream the profile: each one holds what is written so far; the last one is complete.

    None comes wherever the work can be stopped; closing the iterator stops the model within one
    forward pass.

    Args:
        history: The picks that the prompt shows, oldest first.
        catalog: Whose keywords can be chosen.
        llm: The model that writes.

    Raises:
        LLMError: the model failed.
    """
    support = supported_keywords(history, catalog)
    prompt = fit_profile_prompt(history, catalog, llm)
    profile = Profile(prompt=prompt)
    yield profile
    if not support:
        yield replace(
            profile, repairs=("the picks carry no keywords, so there is nothing to summarise",)
        )
    elif isinstance(llm, TokenLLM):
        yield from _grounded(profile, history, catalog, llm, support)
    else:
        yield from _parsed(profile, catalog, llm, support)


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
        _taste_sentences(profile.keywords, history, catalog),
        _observations(profile.keywords, history, catalog),
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


def offered_sentences(
    keywords: Sequence[Keyword], history: Sequence[Item], catalog: Catalog
) -> list[str]:
    """Every sentence that a model can choose for a profile with these keywords.

    Args:
        keywords: The profile's, in its order.
        history: The picks that it was written from, oldest first.
        catalog: Whose wording it has.
    """
    taste = _taste_sentences(keywords, history, catalog) if keywords else []
    return [*taste, *_observations(keywords, history, catalog)]


def _taste_sentences(
    keywords: Sequence[Keyword], history: Sequence[Item], catalog: Catalog
) -> list[str]:
    """Ways to say what the picks share, each naming one or two picks that carry a keyword."""
    domain = catalog.domain
    told = keywords[:4]
    decades = [keyword.text for keyword in told if is_decade(keyword.text)]
    themes = [keyword.text for keyword in told if keyword.text not in decades][:3]
    taste = domain.taste.format(keywords=spoken_list(themes)) if themes else domain.nouns
    taste += f" from the {decades[0]}" if decades else ""
    carriers = {pick for keyword in told for pick in keyword.support}
    names = [_short_name(item) for item in history if item.id in carriers][-5:]
    examples = [
        f"{link} {a} and {b}"
        for a, b in permutations(names, 2)
        for link in (", such as", ", as in", ", above all")
    ]
    if len(names) < 2:
        examples = [f", such as {name}" for name in names]
    openings = ("is drawn to", "keeps coming back to", "has a taste for", "enjoys")
    return [
        f"This {domain.person} {opening} {taste}{example}."
        for opening in openings
        for example in examples
    ]


def _observations(
    keywords: Sequence[Keyword], history: Sequence[Item], catalog: Catalog
) -> list[str]:
    """True statements about the picks, for the model to choose one from."""
    domain, n = catalog.domain, len(history)
    if n < 2:
        return []
    said = []
    for keyword in keywords:
        if 1 < len(keyword.support) < n:
            share = f"{len(keyword.support)} of the {n} {domain.nouns} {domain.verb}"
            said.append(f"The common thread is {_spoken(keyword.text)}, shared by {share}.")
        elif len(keyword.support) == n:
            said.append(f"All {n} {domain.nouns} {domain.verb} share {_spoken(keyword.text)}.")
    latest = history[-1]
    kept = [_spoken(k.text) for k in keywords if latest.id in k.support and len(k.support) > 1]
    if kept:
        said.append(
            f"The latest choice, {_short_name(latest)}, stays with {spoken_list(kept[:2])}."
        )
    years = sorted(item.year for item in history if item.year)
    if years and years[-1] - years[0] >= 10:
        said.append(f"The choices reach from {years[0]} to {years[-1]}.")
    brands = Counter(item.brand for item in history if item.brand)
    if brands and brands.most_common(1)[0][1] > 1:
        brand, count = brands.most_common(1)[0]
        said.append(f"{brand} is a favourite, with {count} of the {n} {domain.nouns}.")
    return said


def _parsed(
    profile: Profile, catalog: Catalog, llm: LLM, support: dict[str, tuple[str, ...]]
) -> Iterator[Profile | None]:
    """Read keywords and sentences out of free text; drop and report what no pick supports."""
    assert profile.prompt is not None
    raw = ""
    with closing(llm.generate(profile.prompt.text, max_tokens=_ANSWER_TOKENS)) as pieces:
        for piece in pieces:
            raw += piece or ""
            yield replace(profile, raw=raw) if piece else None
    named = [keyword for keyword in support if re.search(rf"\b{re.escape(keyword)}\b", raw, re.I)]
    named.sort(key=lambda keyword: raw.casefold().index(keyword.casefold()))
    missing = [keyword for keyword in support if keyword not in named]
    texts = (named + missing)[:N_KEYWORDS]
    repairs = []
    if len(named) < len(texts):
        repairs.append(
            f"the model named {len(named)} supported keywords; the rest are the picks' own"
        )
    kept = []
    for sentence in re.findall(r"[A-Z][^.!?\n]{20,}[.!?]", raw):
        unsupported = unsupported_keywords(sentence, support, catalog)
        if unsupported:
            repairs.append(f"a sentence was removed: no pick supports {', '.join(unsupported)}")
        else:
            kept.append(sentence.strip())
    yield replace(
        profile,
        keywords=tuple(Keyword(text, support[text]) for text in texts),
        text=" ".join(kept[:2]),
        raw=raw,
        repairs=tuple(repairs),
    )


def _short_name(item: Item) -> str:
    return shorten(replace(item, size=None).label, _NAME_LIMIT)


def _spoken(keyword: str) -> str:
    return f"the {keyword}" if is_decade(keyword) else keyword
