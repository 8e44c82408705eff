"""Text of strangers on its way into the page: markup is escaped, control characters are shown.

>>> escape("<b>\\u202egpj.exe")
'&lt;b&gt;\\\\u202egpj.exe'
"""

import html

from palr.text import visible

__all__ = ["escape", "visible"]


def escape(text: str) -> str:
    """Text as HTML, fit for element content and quoted attributes."""
    return html.escape(visible(text))
