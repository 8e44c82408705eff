"""Clause by clause, which way each thing said is meant.

A cue gives a sign to what follows: "no horror", "I love", "less drama". A negation turns the cue
after it ("I don't like"), a comma carries a "no" on through a list but not into a new clause, and a
cue that nothing follows speaks of what came before: "romance no", "but not any more", "I hate it".
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from palr.wish.cues import cues
from palr.wish.scan import Mark

_CUES = {
    "neg",
    "unless",
    "like",
    "rather",
    "prefer",
    "hate",
    "more",
    "less",
    "neutral",
    "swap",
    "flip",
}
_THINGS = {"key", "title", "years", "popularity"}
_ENDS = {"stop", "ask", "comma", "but", "because"}


@dataclass
class _State:
    """Where the reading stands: the sign in force and the cue that gave it."""

    sign: int = 1
    cue: Mark | None = None
    negated: bool = False  # a negation waits for the cue that it turns
    past: bool = False
    contrast: str = ""  # the cue that a "than" or "to" answers
    said: int = 0  # things and words since the cue
    keys_since: int = 0
    commas: int = 0  # since the cue
    fresh: str = ""  # the break just before
    mute: bool = False
    part: list[Mark] = field(default_factory=list)  # keywords of this part of the sentence
    last: list[Mark] = field(default_factory=list)  # those of the part before
    dangling: Mark | None = None
    pronoun: bool = False
    every: int = 0
    asked: bool = False


def give_signs(marks: Sequence[Mark]) -> None:
    """Set the ``sign`` of every keyword, year and popularity; those in a reason become words."""
    state = _State()
    for at, mark in enumerate(marks):
        kind = mark.kind
        if kind in _ENDS or kind in ("and", "or"):
            _break(state, mark, marks, at)
            continue
        if kind in _THINGS:
            _thing(state, mark)
        elif kind == "word":
            _word(state, mark)
        elif kind in _CUES:
            _cue(state, mark, marks, at)
        else:
            _small(state, mark)
        state.fresh = ""
    _end_part(state)


def _thing(state: _State, mark: Mark) -> None:
    if state.mute and mark.kind == "key":
        mark.kind = "word"
        return
    if mark.sign is None:
        mark.sign = state.sign
        if mark.kind in ("years", "popularity") and state.keys_since and state.sign < 0:
            # "no horror from the 80s" rules out no decade; "no horror, 80s please" asks for one.
            mark.sign = 1 if state.commas else 0
    if mark.kind in ("key", "title"):
        state.part.append(mark)
        state.keys_since += 1
    state.said += 1
    state.negated, state.dangling = False, None


def _word(state: _State, mark: Mark) -> None:
    if mark.without and state.sign < 0 and not state.mute:
        mark.kind, mark.keys, mark.sign = "key", (mark.without,), 1
        state.part.append(mark)
    state.said += 1
    state.dangling = None


def _cue(state: _State, mark: Mark, marks: Sequence[Mark], at: int) -> None:
    if _is_simile(state, mark, marks, at):
        return
    waiting = state.cue is not None and not state.said and not state.fresh
    sign = _sign(state, mark, waiting)
    if mark.kind == "neg":
        state.negated = True
    elif mark.kind == "unless":
        mark.text = "unless"
    if mark.kind in ("rather", "prefer", "swap") or mark.text in ("more", "less"):
        state.contrast = mark.text if mark.text == "less" else mark.kind
    if mark.kind != "neg":
        state.negated = False
    kept = waiting and sign == state.sign and mark.kind in ("like", "more")
    state.sign, state.past = sign, False
    state.cue = state.cue if kept else mark
    state.said = state.keys_since = state.commas = 0
    state.dangling = mark
    state.mute = False


def _sign(state: _State, mark: Mark, waiting: bool) -> int:
    """The sign that a cue gives, after a negation or another cue that nothing followed yet."""
    match mark.kind:
        case "neg" | "unless":
            return (
                1 if waiting and state.negated and state.cue and state.cue.text != "neither" else -1
            )
        case "hate" | "swap":
            if state.past:
                return 1
            return 0 if state.negated else -1
        case "less":
            if state.negated and not mark.text.startswith(("too", "way", "not", "rather")):
                return 1 if mark.text.startswith("without") else 0
            return -1
        case "neutral":
            return 0
        case "flip":
            return 1 if state.sign < 0 else -1
    if state.past and mark.kind == "like":
        return 1 if state.negated else -1
    if state.negated:
        return -1
    # "tired of seeing", "stop showing me more": the first cue holds.
    return state.sign if waiting and state.cue and state.cue.kind != "swap" else 1


def _is_simile(state: _State, mark: Mark, marks: Sequence[Mark], at: int) -> bool:
    """Whether "like" compares: "movies like ...", where "I like" does not."""
    if mark.text != "like" or at == 0 or state.negated or state.fresh:
        return False
    before = marks[at - 1]
    return before.kind != "more" and before.text.rsplit(" ", 1)[-1] not in cues().before_verb


def _small(state: _State, mark: Mark) -> None:
    """Words that only mean something beside a cue."""
    match mark.kind:
        case "past":
            state.past = mark.text != "once"
        case "pronoun" | "again":
            state.pronoun = True
        case "every":
            state.every = 1
        case "bad":
            if state.part and not state.negated:
                _give(state.part, -1)
            elif not state.negated:
                state.sign, state.cue, state.said = -1, mark, 0
            else:
                state.dangling = None
        case "some":
            hated = state.cue is not None and state.cue.kind == "hate"
            article = mark.text in ("a", "an", "some")
            if (
                state.fresh
                and state.sign < 1
                and not (article and (hated or state.fresh != "comma"))
            ):
                state.sign, state.cue = 1, None
        case "only":
            if state.keys_since and state.sign < 1:
                state.sign, state.cue = 1, None
        case "better":
            state.contrast = "more"
        case "than":
            if state.contrast and (state.keys_since or state.part):
                if state.contrast == "less" and not state.keys_since:
                    _give(state.part, -1)
                _turn(state, mark, 1 if state.contrast == "less" else -1)
        case "to":
            if state.contrast == "prefer" and state.keys_since:
                _turn(state, mark, -1)
        case "over":
            if state.keys_since or (state.part and state.sign > 0):
                _turn(state, mark, -1)
        case "for":
            if state.contrast == "swap" and state.keys_since:
                _turn(state, mark, 1)


def _turn(state: _State, mark: Mark, sign: int) -> None:
    state.sign, state.cue, state.contrast = sign, mark, ""
    state.said = state.keys_since = state.commas = 0


def _break(state: _State, mark: Mark, marks: Sequence[Mark], at: int) -> None:
    kind = mark.kind
    if kind in ("and", "or"):
        state.fresh = kind
        if kind == "and" and state.dangling and state.part:
            _end_part(state)
        return
    if kind == "but" and state.every and not state.keys_since:
        state.sign = 1 if state.negated or state.sign < 0 else -1
        state.cue, state.said, state.negated = mark, 0, False
        return
    _end_part(state)
    state.every, state.fresh, state.negated, state.past = 0, kind, False, False
    state.commas += 1
    if kind == "comma":
        if state.sign < 1 and not _goes_on(state, marks, at):
            state.sign, state.cue, state.keys_since = 1, None, 0
        return
    state.asked = kind == "ask"
    state.sign, state.cue, state.said, state.keys_since, state.commas = 1, None, 0, 0, 0
    state.contrast = ""
    state.mute = kind == "because" and bool(state.last)


def _goes_on(state: _State, marks: Sequence[Mark], at: int) -> bool:
    """Whether what follows a comma is a further item of the list that a cue began."""
    if not state.keys_since and not state.said:
        return False
    part, ended = _next_part(marks, at)
    if not any(mark.kind in ("key", "title") for mark in part) or not all(
        _is_of_a_list(mark) for mark in part
    ):
        return False
    strong = state.cue is not None and (
        state.cue.kind in ("hate", "flip", "neutral") or state.cue.text in cues().strong
    )
    return strong or ended


def _next_part(marks: Sequence[Mark], at: int) -> tuple[list[Mark], bool]:
    """The marks up to the next break, and whether an "or", "nor" or "and" ends the list."""
    part = list(takewhile(lambda mark: mark.kind not in _ENDS, marks[at + 1 :]))
    rest = at + 1 + len(part)
    ended = any(mark.kind in ("and", "or") or mark.text == "nor" for mark in part)
    while not ended and rest < len(marks) and marks[rest].kind == "comma":
        after = list(takewhile(lambda mark: mark.kind not in _ENDS, marks[rest + 1 :]))
        if not after or not all(_is_of_a_list(mark) for mark in after):
            break
        ended = any(mark.kind in ("and", "or") for mark in after)
        rest += len(after) + 1
    return part, ended


def _is_of_a_list(mark: Mark) -> bool:
    return mark.kind in ("key", "title", "and", "or", "every") or mark.text in cues().list_words


def _end_part(state: _State) -> None:
    """A cue that nothing followed speaks of what came before."""
    cue = state.dangling
    if cue is not None:
        turned = state.sign < 0 or (cue.kind == "more" and cue.text != "more")
        if cue.text == "too":
            pass  # "comedies too"
        elif state.part and turned and cue.kind != "neutral":
            _give(state.part, state.sign)
        elif not state.part and (state.pronoun or state.asked or (state.sign < 0)):
            _give(state.last, state.sign)
    if state.part:
        state.last = state.part
    state.part, state.dangling, state.pronoun = [], None, False


def _give(marks: Sequence[Mark], sign: int) -> None:
    for mark in marks:
        mark.sign = sign
