"""Sentences of a grounded profile: true of the picks, for a model to choose among."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

from palr.catalog.catalog import Catalog
from palr.prompts import shorten
from palr.text import is_decade, spoken_list
from palr.types import Item, Keyword

_NAME_LIMIT = 48


def offered_sentences(
    keywords: Sequence[Keyword], history: Sequence[Item], catalog: Catalog
) -> list[str]:
    """Every sentence that a model can choose for a profile with these keywords.

    Args:
        keywords: The profile's, in its order.
        history: The picks that it was written from, oldest first.
        catalog: Whose wording it has.
    """
    taste = taste_sentences(keywords, history, catalog) if keywords else []
    return [*taste, *observations(keywords, history, catalog)]


def taste_sentences(
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


def observations(
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


def _short_name(item: Item) -> str:
    return shorten(replace(item, size=None).label, _NAME_LIMIT)


def _spoken(keyword: str) -> str:
    return f"the {keyword}" if is_decade(keyword) else keyword
