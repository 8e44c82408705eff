"""Search as one types: whole titles first, then words by prefix, typing errors forgiven.

>>> index = TitleIndex([Item("1", "The Matrix", year=1999), Item("2", "Matilda", year=1996)])
>>> [item.label for item in index.search("matrx")]
['The Matrix (1999)']
"""

import re
import sqlite3
import threading
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Sequence

from rapidfuzz import process
from rapidfuzz.distance import OSA

from palr.data.titles import ARTICLES
from palr.types import Item

MAX_QUERY = 200
MAX_WORDS = 12
MAX_CORRECTED = 3  # more unknown words than this are not typing errors
WEIGHTS = (10.0, 4.0, 1.0)  # bm25, by column: label, other spellings, keywords

_WORD = re.compile(r"[^\W_]+")
_INITIALS = re.compile(r"(?<!\w)(?:[^\W\d_][.*·])+[^\W\d_](?!\w)")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_FRACTION = re.compile(r"(?<=\d)(?=[\u00bc-\u00be\u2150-\u215e])")
# What Unicode does not take apart.
_LETTERS = str.maketrans(
    {"\u00e6": "ae", "\u0153": "oe", "\u00f8": "o", "\u0142": "l", "\u0111": "d", "\u00f0": "d",
     "\u00fe": "th", "\u0131": "i"}
)  # fmt: skip
_APOSTROPHES = str.maketrans("", "", "'`\u2018\u2019\u00b4\u02bc\u2032")
_ARTICLES = {article.lower() for article in ARTICLES if len(article) > 1 and article.isalpha()} | {
    "a"
}


def words(text: str) -> list[str]:
    """Case, accents, apostrophes and punctuation away; "e.l.f." and "M*A*S*H" are one word each.

    >>> words("8½ Søstre & Æon's")
    ['8', '1', '2', 'sostre', 'and', 'aeons']
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKD", _FRACTION.sub(" ", text))
        text = "".join(char for char in text if not unicodedata.combining(char))
        text = text.casefold().translate(_LETTERS)
    text = text.casefold().translate(_APOSTROPHES)
    text = _INITIALS.sub(lambda match: re.sub(r"[.*·]", "", match[0]), text)
    return _WORD.findall(text.replace("&", " and "))


class TitleIndex:
    """A search index in memory, independent of the database that holds the catalog.

    Safe to use from several threads.
    """

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = tuple(items)
        self._lock = threading.Lock()
        self._db = sqlite3.connect(":memory:", check_same_thread=False)
        self._db.execute(
            "CREATE VIRTUAL TABLE titles USING fts5(label, spellings, keywords, content='',"
            " tokenize=\"unicode61 remove_diacritics 0\", prefix='1 2 3')"
        )
        forms: list[tuple[str, int]] = []
        title_words: set[str] = set()
        every_word: set[str] = set()
        rows = []
        for number, item in enumerate(self._items):
            label = words(item.label)
            spellings = words(_CAMEL.sub(" ", item.label))
            spellings = [word for word in spellings if word not in label]
            keywords = words(" ".join(item.keywords))
            rows.append((number, " ".join(label), " ".join(spellings), " ".join(keywords)))
            title_words.update(label, spellings)
            every_word.update(label, spellings, keywords)
            forms.extend((form, number) for form in _forms(item))
        with self._db:
            self._db.executemany(
                "INSERT INTO titles(rowid, label, spellings, keywords) VALUES (?, ?, ?, ?)", rows
            )
        self._forms = sorted(forms)
        self._form_keys = [form for form, _ in self._forms]
        self._title_words = sorted(title_words)
        self._every_word = sorted(every_word)

    def search(self, query: str, limit: int = 8, exact: bool = False) -> list[Item]:
        """The best matches for whatever was typed; [] where nothing fits.

        Order: the exact title, titles that begin with the query (most popular first), then items
        that hold every word as a prefix, by bm25 and popularity.

        Args:
            query: What was typed.
            limit: Items to return at most.
            exact: Every word must be found as typed. Otherwise unknown words are corrected, and
                where no item holds all words, items that hold some are returned.
        """
        asked = words(query[:MAX_QUERY])[:MAX_WORDS]
        if not asked or limit < 1:
            return []
        groups = self._alternatives(asked, exact)
        if not groups:
            return []
        found = self._starting(" ".join(group[0] for group in groups))[:limit]
        if len(found) < limit:
            found += self._matching(groups, " AND ", limit, found)
        if not found and not exact and len(groups) > 1:
            found = self._matching(groups, " OR ", limit, found)
        return [self._items[number] for number in found]

    def _alternatives(self, asked: Sequence[str], exact: bool) -> list[list[str]]:
        """For each word that can be found: itself, or the title words it may be meant for."""
        groups = []
        corrected = 0
        for word in asked:
            if _has_prefix(self._every_word, word):
                groups.append([word])
            elif exact:
                return []
            elif len(word) >= 4 and corrected < MAX_CORRECTED:
                corrected += 1
                if near := self._corrections(word):
                    groups.append(near)
        return groups

    def _corrections(self, word: str) -> list[str]:
        # One edit in four letters: "matrx", "teminator", "neutrogina".
        edits = max(1, len(word) // 4)
        near = process.extract(
            word, self._title_words, scorer=OSA.distance, score_cutoff=edits, limit=5
        )
        best = min((distance for _, distance, _ in near), default=0)
        near = [hit for hit in near if hit[1] == best]
        near.sort(key=lambda hit: (hit[0][0] != word[0], abs(len(hit[0]) - len(word)), hit[0]))
        return [hit[0] for hit in near]

    def _starting(self, phrase: str) -> list[int]:
        """Items with a title form that begins with the phrase; an equal form comes first."""
        best: dict[int, bool] = {}
        for position in range(bisect_left(self._form_keys, phrase), len(self._forms)):
            form, number = self._forms[position]
            if not form.startswith(phrase):
                break
            best[number] = best.get(number, False) or form == phrase
        return sorted(
            best, key=lambda number: (not best[number], -self._items[number].popularity, number)
        )

    def _matching(
        self, groups: Sequence[Sequence[str]], operator: str, limit: int, found: Sequence[int]
    ) -> list[int]:
        query = operator.join(
            "(" + " OR ".join(f'"{word}"*' for word in group) + ")" for group in groups
        )
        with self._lock:
            rows = self._db.execute(
                "SELECT rowid, bm25(titles, ?, ?, ?) FROM titles WHERE titles MATCH ?",
                (*WEIGHTS, query),
            ).fetchall()
        known = set(found)
        # Rounded, so that among all but equal matches the popular one leads.
        ranked = sorted(
            (round(score, 1), -self._items[number].popularity, number)
            for number, score in rows
            if number not in known
        )
        return [number for _, _, number in ranked[: limit - len(found)]]


def _forms(item: Item) -> set[str]:
    """The ways to write the title from its beginning: with and without brand, year and article."""
    texts = [item.title, item.label, _CAMEL.sub(" ", item.label)]
    if item.brand:
        texts.append(f"{item.brand} {item.title}")
    spelled = [words(text) for text in texts]
    spelled += [form[1:] for form in spelled if len(form) > 1 and form[0] in _ARTICLES]
    return {" ".join(form) for form in spelled if form}


def _has_prefix(sorted_words: Sequence[str], prefix: str) -> bool:
    position = bisect_left(sorted_words, prefix)
    return position < len(sorted_words) and sorted_words[position].startswith(prefix)
