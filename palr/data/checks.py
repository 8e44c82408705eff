"""Signs that a file was read, or once saved, in another way than it was meant.

Every line of such a file parses, and the catalog would be nonsense: "Les MisÃ©rables" is UTF-8 that
was taken for latin-1, and keywords "b", "e", "a", "u" are a text that was taken for a list.
"""

import re
from collections.abc import Sequence

from palr.errors import DataError
from palr.text import is_decade
from palr.types import Item

ENOUGH = 20  # items that hardly agree in every keyword by chance

# What bytes of UTF-8 after the first look like, in latin-1 and in cp1252.
_LATER = bytes(range(0x80, 0xC0))
_NEXT = f"[{_LATER.decode('latin-1')}{_LATER.decode('cp1252', 'ignore')}]"
_GARBLED = re.compile(
    "[\ufffd├┬]"  # what no decoder knew; é as a console of DOS has it
    f"|[ÂÃÄÅ]{_NEXT}"  # é
    "|(?<!\\w)Ã(?=\\s)"  # à and É, of which white space and controls were cleaned away
    f"|â[\x80€„]{_NEXT}"  # dashes, quotes and ™
    f"|(?:[ÎÏÐÑ\xd7ØÙ]{_NEXT}){{2}}"  # Greek, Cyrillic, Hebrew, Arabic
    f"|(?:[ã-í]{_NEXT}{{2}}){{2}}"  # Chinese, Japanese, Korean
)


def check_items(name: str, items: Sequence[Item], vouched: bool = False) -> None:
    """Raise DataError where there are no items, or they do not look as items should.

    Args:
        name: The file that they come from.
        items: All of them.
        vouched: Whether it is known by its checksum; then its keywords may all be the same.
    """
    if not items:
        raise DataError(f"{name} holds no items that can be used; fetch it again")
    foreign = [item for item in items if not f"{item.title}{item.brand or ''}".isascii()]
    garbled = [item for item in foreign if is_garbled(f"{item.title} {item.brand or ''}")]
    if 2 * len(garbled) > len(foreign):
        raise DataError(
            f"{name}: titles of {len(garbled):,} items are garbled, such as {garbled[0].title!r}: "
            "the file was saved in another encoding than it was opened in; fetch it again"
        )
    themes = [tuple(word for word in item.keywords if not is_decade(word)) for item in items]
    words = {word for theme in themes for word in theme}
    # Letters have two cases; one character of Chinese may well be a word.
    letters = sorted(word for word in words if len(word) == 1 and word.lower() != word.upper())
    if 2 * len(letters) > len(words):
        raise DataError(
            f"{name}: keywords are single letters ({', '.join(letters[:5])}): a text stands where "
            "a list of texts should; fetch it again"
        )
    if not vouched and len(items) >= ENOUGH and words and len(set(themes)) == 1:
        raise DataError(
            f"{name}: all {len(items):,} items have the same keywords ({', '.join(themes[0])}), "
            "which then say nothing; fetch it again"
        )


def is_garbled(text: str) -> bool:
    """Whether a text holds UTF-8 that was read as latin-1 or cp1252.

    >>> is_garbled("Les MisÃ©rables"), is_garbled("Les Misérables"), is_garbled("IRMÃ, CAFÉ™")
    (True, False, False)
    """
    return bool(_GARBLED.search(text))
