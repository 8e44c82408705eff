"""Text of strangers on its way out: control characters made visible, Markdown made plain.

A browser or a terminal obeys control characters wherever they stand: a title could turn around the
words that follow it.

>>> visible("\\u202egpj.exe")
'\\\\u202egpj.exe'
>>> plain("**Bold** | <b> [x](https://y)")
'\\\\*\\\\*Bold\\\\*\\\\* \\\\| \\\\<b\\\\> \\\\[x\\\\](https\\\\://y)'
"""

import re

# C0 but tab and line feed, C1, and what Unicode has to steer the direction of text.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)
# ":" and "@" begin links and names where Markdown is shown by a forge; "." does so after "www".
_MARKUP = re.compile(r"[\\`*_{}\[\]<>#|~&$!^:@]|(?<=www)\.", re.IGNORECASE)
_BULLET = re.compile(r"^(\d*)([-+=.)])")
_TICKS = re.compile("`+")


def visible(text: str) -> str:
    """Control characters as escapes that JSON and people can read."""
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def plain(text: str) -> str:
    """Text as one line of Markdown that shows as it is, in table cells too."""
    line = " ".join(visible(text).split())
    return _BULLET.sub(r"\1\\\2", _MARKUP.sub(r"\\\g<0>", line))


def fenced(text: str) -> str:
    """Text as a block of code, whatever fences it contains itself."""
    longest = max((len(ticks) for ticks in _TICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{visible(text)}\n{fence}"
