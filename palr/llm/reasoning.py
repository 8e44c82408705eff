"""What a model thought aloud, told apart from its answer.

Servers that know a model's dialect put its reasoning into a field of its own; the others leave it
in the text, between marks that differ from model to model.

>>> answer_of('<think>Not "Heat".</think>"Babe"')
'"Babe"'
>>> answer_of("the template began the reasoning</think>Babe")
'Babe'
>>> answer_of("<think>an end that never came")
''
"""

import re

_WORD = r"(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|analysis|scratchpad|inner_thoughts?)"
_OPENING = (
    rf"<(?:seed:)?{_WORD}(?:\s[^<>]*)?>"  # DeepSeek, Qwen and most others
    rf"|<\|(?:begin_of_|start_)?{_WORD}\|>"  # OpenThinker, Cohere
    rf"|\[{_WORD}\]"  # Mistral
    rf"|◁{_WORD}▷"  # Kimi
    r"|<unused94>thought"  # MedGemma
    r"|<\|channel\|?>\s*(?!final)\w+"  # gpt-oss, Gemma
    r"|(?-i:\A\s*analysis(?=[A-Z]))"  # gpt-oss where a server drops its marks
)
_CLOSING = (
    rf"</(?:seed:)?{_WORD}>|<\|(?:/|end_of_|end_){_WORD}\|>|\[/{_WORD}\]|◁/{_WORD}▷|<unused95>"
    r"|<\|channel\|>\s*final\b(?:\s*<\|constrain\|>\w+)?|<channel\|>|(?-i:assistantfinal)"
)
_MARK = re.compile(rf"(?P<closing>{_CLOSING})|{_OPENING}", re.IGNORECASE)
_MARKUP = re.compile(r"<\|[^<>|\s]{1,40}\|>|</?s>|<(?:start|end)_of_turn>", re.IGNORECASE)


def answer_of(text: str) -> str:
    """The answer without reasoning and without chat markup; empty while the reasoning goes on.

    Reasoning that ends without having begun does so from the start: some chat templates write its
    opening mark into the prompt.

    Args:
        text: All that the model has written so far.
    """
    answer, at, thinking = "", 0, False
    for mark in _MARK.finditer(text):
        if not thinking:
            answer += text[at : mark.start()]
        if mark["closing"] and not thinking:
            answer = ""
        thinking = not mark["closing"]
        at = mark.end()
    answer += "" if thinking else text[at:]
    return _MARKUP.sub("", answer).strip()


def why_unanswered(text: str, cut: str = "") -> str:
    """What is wrong with a text that holds no answer, in words; empty where it holds one.

    >>> why_unanswered("<think>Let me see", cut="the limit of tokens")
    'holds its reasoning only, cut by the limit of tokens'

    Args:
        text: All that the model has written.
        cut: What ended it before the model did (`palr.llm.base.Cut`).
    """
    if answer_of(text):
        return ""
    what = "holds its reasoning only" if text.strip() else "is empty"
    return f"{what}, cut by {cut}" if cut else what
