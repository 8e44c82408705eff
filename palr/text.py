"""Escaping of untrusted text for output: control characters made visible, Markdown made plain.

Browsers and terminals obey control characters anywhere in a text: one in a title could reverse the
words that follow it.

>>> visible("\\u202egpj.exe")
'\\\\u202egpj.exe'
>>> plain("**Bold** | <b> [x](https://y)")
'\\\\*\\\\*Bold\\\\*\\\\* \\\\| \\\\<b\\\\> \\\\[x\\\\](https\\\\://y)'
"""

import re
from collections.abc import Sequence

# C0 but tab and line feed, C1, and what Unicode has to steer the direction of text.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)
# ":" and "@" begin links and names where Markdown is shown by a forge; "." does so after "www".
_MARKUP = re.compile(r"[\\`*_{}\[\]<>#|~&$!^:@]|(?<=www)\.", re.IGNORECASE)
_BULLET = re.compile(r"^(\d*)([-+=.)])")
_SENTENCE_END = re.compile(r"(?<=[\w)\"'][.!?])(?<!\b\w\.)(?<!\s\w\w\.)(?<!^\w\w\.)\s+(?=[A-Z\"'])")
_DECADE = re.compile(r"\d{4}s")
_TICKS = re.compile("`+")


def visible(text: str) -> str:
    """Replace control characters by escapes such as ``\\u202e``."""
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def plain(text: str) -> str:
    """One line of Markdown that shows the text unchanged, in table cells too."""
    line = " ".join(visible(text).split())
    return _BULLET.sub(r"\1\\\2", _MARKUP.sub(r"\\\g<0>", line))


def fenced(text: str) -> str:
    """A Markdown code block of the text, with a fence longer than any in it."""
    longest = max((len(ticks) for ticks in _TICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{visible(text)}\n{fence}"


def is_decade(keyword: str) -> bool:
    """Whether a keyword names a decade, such as "1990s", and no theme."""
    return bool(_DECADE.fullmatch(keyword))


def sentences(text: str) -> list[str]:
    """A text, sentence by sentence; what ends in a short word before the full stop goes on.

    >>> sentences("L.A. Confidential (1997) won. No crime! Mr. Smith came.")
    ['L.A. Confidential (1997) won.', 'No crime!', 'Mr. Smith came.']
    >>> sentences("Both are sci-fi. No crime.")
    ['Both are sci-fi.', 'No crime.']
    """
    return [part for part in _SENTENCE_END.split(text.strip()) if part]


def spoken_list(words: Sequence[str]) -> str:
    """Words as a sentence lists them.

    >>> spoken_list(["war"]), spoken_list(["crime", "drama", "war"])
    ('war', 'crime, drama and war')
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
