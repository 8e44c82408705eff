"""Text of strangers on its way into the page.

Markup is escaped. Control characters are written out, since a browser obeys them even in escaped
text: a title could otherwise turn around the words that follow it.

>>> escape("<b>\\u202egpj.exe")
'&lt;b&gt;\\\\u202egpj.exe'
"""

import html
import re

# C0 but tab and line feed, C1, and what Unicode has to steer the direction of text.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)


def visible(text: str) -> str:
    """Control characters as escapes that JSON and people can read."""
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def escape(text: str) -> str:
    """Text as HTML, fit for element content and quoted attributes."""
    return html.escape(visible(text))
