"""From a person's words to the keywords of a catalog.

A phrase is looked up as it is written, then by its stems; in each word a slip of the pen is
forgiven. What is not found so is compared with the keywords by the sentence model.
"""

import threading
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA

from palr.catalog.catalog import Catalog
from palr.catalog.search import words as title_words
from palr.types import Item
from palr.wish.cues import Phrase, cues, names, phrase
from palr.wish.tokens import stem
from palr.wish.years import find_years


class Embed(Protocol):
    """The sentence model: texts (n) to unit vectors (n, d); ``keep`` those of a catalog's keywords,
    which are asked for again after every start."""

    def __call__(self, texts: Sequence[str], keep: bool = False) -> NDArray[np.float32]: ...


LONGEST = 4  # words of a phrase that is looked up
# Cosine from which a phrase means the keyword, and its lead on the next one. Of 179 film words that
# no table holds, 135 with a genre and 44 without, these read 55 right, 11 as another genre and 2 of
# those without; comparing "... movies" instead, no pair of values did better than 41, 6 and 5.
CLOSE, AHEAD = 0.54, 0.08
MAX_ASKED = 24  # phrases that the sentence model is asked about
MAX_CORRECTED = 40  # more unknown words than this are not slips of the pen


class Lexicon:
    """The names of one catalog's keywords; decades are no keywords here: they are years."""

    def __init__(self, catalog: Catalog) -> None:
        self.domain = catalog.domain
        table = names(self.domain.key)
        counts = catalog.keyword_counts
        self.keywords = tuple(key for key, _ in counts.most_common() if not find_years(key, 0))
        present = set(self.keywords)
        self.troubles = table.troubles & present
        self.unless, self.heads = table.unless, table.heads
        years = [item.year for item in catalog.items if item.year]
        self.years = (min(years), max(years)) if years else None
        self.popularity = any(item.popularity for item in catalog.items)  # whether it is known
        self._exact: dict[str, tuple[str, ...]] = {}
        self._stems: dict[str, tuple[str, ...]] = {}
        self.absent: dict[str, str] = {}
        self._forms: list[tuple[str, str]] = []  # what the sentence model compares: form, keyword
        for key in self.keywords:
            self._name(phrase(key), (key,))
        for key in self.keywords:  # before a synonym or a part of another keyword takes it
            joined = _joined(phrase(key))
            for form in (joined.removesuffix("s"), f"{joined}s"):
                self._exact.setdefault(form, (key,))
        for alternatives, phrases in table.synonyms:
            target = next((key for key in alternatives if key in present), None)
            for name in phrases:
                if target:
                    self._name(name, (target,))
                else:
                    self.absent.setdefault(_joined(name), alternatives[0])
        for name, keys in table.several.items():
            if all(key in present for key in keys):
                self._exact[_joined(name)] = self._stems[_stemmed(name)] = keys
        for key in self.keywords:  # "toners & essences" is found by either
            for part in key.replace("&", ",").split(","):
                self._name(phrase(part), (key,))
                self._name(phrase(part.strip().removesuffix(" sets")), (key,))
        self._free = {
            _stemmed(name): keys[0] for name, keys in table.free.items() if keys[0] in present
        }
        for key in self.keywords:
            if key.endswith("-free"):
                self._free.setdefault(_stemmed(phrase(key)[:-1]), key)
        titles = [(tuple(title_words(item.title)), item) for item in catalog.items]
        self._known = self._known_words(title for title, _ in titles)
        self._spellings = sorted(
            {word for form, _ in self._forms for word in phrase(form) if len(word) > 4}
        )
        self._titles = _titles(titles)
        self._vectors: NDArray[np.float32] | None = None
        self._embedding = threading.Lock()  # of two first readings, one embeds the keywords
        self.stop = cues().stop | table.stop

    def _name(self, name: Phrase, keys: tuple[str, ...]) -> None:
        if name:
            self._exact.setdefault(_joined(name), keys)
            self._stems.setdefault(_stemmed(name), keys)
            self._forms.append((" ".join(name), keys[0]))

    def _known_words(self, titles: Iterable[Phrase]) -> frozenset[str]:
        """Words that are no slips of the pen: all of the tables and of the titles."""
        table = names(self.domain.key)
        known = {word for form, _ in self._forms for word in phrase(form)}
        known |= {word for name in (*table.free, *table.unless) for word in name}
        known |= cues().words | cues().stop | table.stop
        return frozenset(known.union(*titles))

    def look_up(self, name: Phrase) -> tuple[str, ...]:
        """The keywords that a phrase names; () where it names none."""
        return self._exact.get(_joined(name)) or self._stems.get(_stemmed(name), ())

    def look_up_exact(self, name: Phrase) -> tuple[str, ...]:
        """`look_up` of the very words: "oil" and "hair" apart are not oily hair."""
        return self._exact.get(_joined(name), ())

    def title(self, name: Phrase) -> str | None:
        """The id of the item with this title, the most popular where several share it."""
        return self._titles.get(name)

    def without(self, name: Phrase) -> str | None:
        """The keyword of what comes without the thing named, such as "sulfate-free"."""
        return self._free.get(_stemmed(name))

    def corrected(self, words: Sequence[str]) -> dict[str, str]:
        """For each word that looks like a slip of the pen, the word that was meant."""
        unknown = [word for word in dict.fromkeys(words) if len(word) > 4 and word.isascii()]
        unknown = [
            word for word in unknown if word not in self._known and not self.look_up((word,))
        ]
        return {
            word: meant for word in unknown[:MAX_CORRECTED] if (meant := self._correction(word))
        }

    def _correction(self, word: str) -> str | None:
        edits = 1 if len(word) < 8 else 2
        near = process.extractOne(word, self._spellings, scorer=OSA.distance, score_cutoff=edits)
        return near[0] if near and near[0][0] == word[0] else None

    def closest(self, phrases: Sequence[str], embed: Embed) -> list[tuple[str, float, float]]:
        """For each phrase the keyword closest in meaning, its cosine, and that of the next one."""
        if not phrases or not self._forms:
            return []
        vectors = embed(list(phrases))
        owners = np.array([self.keywords.index(key) for _, key in self._forms])
        result = []
        for cosines in vectors @ self._of_keywords(embed).T:
            best = np.full(len(self.keywords), -1.0)
            np.maximum.at(best, owners, cosines)
            first, second = (*np.argsort(best)[::-1], 0)[:2]
            result.append((self.keywords[first], float(best[first]), float(best[second])))
        return result

    def _of_keywords(self, embed: Embed) -> NDArray[np.float32]:
        """(forms, d) What the keywords mean, embedded once."""
        with self._embedding:
            if self._vectors is None:
                self._vectors = embed([form for form, _ in self._forms], keep=True)
            return self._vectors

    def nearest(self, word: str) -> str | None:
        """The keyword that is spelled most like a word, if any is."""
        near = process.extractOne(word, self.keywords, scorer=fuzz.ratio, score_cutoff=75)
        return near[0] if near else None


_making = threading.Lock()
_made = lru_cache(maxsize=8)(Lexicon)


def lexicon(catalog: Catalog) -> Lexicon:
    """The lexicon of a catalog, made once, whoever asks first."""
    with _making:
        return _made(catalog)


def _titles(titles: Iterable[tuple[Phrase, Item]]) -> dict[Phrase, str]:
    """Ids of items by the words of their titles; of items that share one, the most popular."""
    found: dict[Phrase, str] = {}
    for name, item in sorted(titles, key=lambda pair: -pair[1].popularity):
        found.setdefault(name, item.id)
    return found


def _joined(name: Phrase) -> str:
    """Without spaces, so that "make up" is "makeup" and "sci fi" "scifi"."""
    return "".join(name)


def _stemmed(name: Phrase) -> str:
    return "".join(map(stem, name))
