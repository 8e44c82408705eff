"""The paper's prompt templates (Figure 2, section 2.2) as pure functions.

Serving and training render prompts here and nowhere else. A ranking prompt for movies reads:

    Task Instruction: Recommend 10 other movies based on user's watching history from the
    candidate list.
    Input: User watched movies "Heat (1995)", "Babe (1995)". User's preference: crime, drama. ...
    The candidates are "Fargo (1996)", "Casino (1995)".
    Output:

(on three lines)
and its answer `"Casino (1995)", "Fargo (1996)"`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from palr.domains import HISTORY_LIMIT, Domain
from palr.llm.base import LLM
from palr.text import spoken_list
from palr.types import Candidate, Item, Keyword, Profile, Prompt, Segment, Wish

ELLIPSIS = "…"
CANDIDATES_INTRO = "The candidates are "
LABEL_INSTRUCTION = " Answer with the label of the best candidate."
TITLE_LIMIT = 160  # characters; a few products carry names of several hundred
_SHORTER_TITLES = (100, 70, 50, 35)
_SHORTEST_HISTORY = 5


@dataclass(frozen=True)
class Limits:
    """How much of the input a prompt may show."""

    title: int = TITLE_LIMIT
    history: int = HISTORY_LIMIT
    candidates: int = 10_000


def shorten(text: str, limit: int) -> str:
    """At most ``limit`` characters on one line, the last one an ellipsis where text was cut."""
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + ELLIPSIS


def quoted(text: str) -> str:
    """A name in the quotes that mark it in prompts and answers; quotes inside become single."""
    return '"' + text.replace('"', "'") + '"'


def item_names(domain: Domain, items: Sequence[Item], limit: int = TITLE_LIMIT) -> tuple[str, ...]:
    """The quoted names by which prompts and answers call the items.

    Args:
        domain: Whose way to name items is used.
        items: The items, n of them.
        limit: Characters of a name at most.

    Returns:
        n names in quotes.
    """
    return tuple(quoted(shorten(domain.name(item), limit)) for item in items)


def profile_prompt(
    domain: Domain, history: Sequence[Item], n_keywords: int, limits: Limits | None = None
) -> Prompt:
    """Ask for a natural-language profile of the history (paper, section 2.1 and Figure 2).

    Args:
        domain: Whose wording is used.
        history: The picks, oldest first.
        n_keywords: How many keywords are asked for.
        limits: How much of the input is shown; all by default.
    """
    limits = limits or Limits()
    shown = history[-limits.history :]
    listed = ", ".join(
        f"{name} ({', '.join(item.keywords)})" if item.keywords else name
        for name, item in zip(item_names(domain, shown, limits.title), shown, strict=True)
    )
    return Prompt(
        (
            Segment("frame", "Task Instruction: "),
            Segment(
                "instruction",
                f"Your task is to use {n_keywords} keywords to summarize user's preference based "
                "on history interactions, most important first, and then to describe the "
                "preference in two sentences.",
            ),
            Segment("frame", "\nInput: "),
            Segment("history", f"{domain.history_intro} {listed}."),
            Segment("frame", "\nOutput:"),
        )
    )


def profile_text(keywords: Sequence[Keyword], text: str) -> str:
    """The profile as the ranking prompt states it; empty for an empty profile."""
    listed = (
        f"User's preference: {', '.join(keyword.text for keyword in keywords)}." if keywords else ""
    )
    return " ".join(part for part in (listed, text) if part)


def recommend_prompt(
    domain: Domain,
    history: Sequence[Item],
    profile: Profile | None,
    k: int,
    limits: Limits | None = None,
) -> Prompt:
    """The task Recommend, without candidates, which fine-tuning teaches (paper, section 2.2).

    Args:
        domain: Whose wording is used.
        history: The picks, oldest first.
        profile: None for a prompt without one.
        k: How many items are asked for.
        limits: How much of the input is shown; all by default.
    """
    limits = limits or Limits()
    return Prompt(
        (
            Segment("frame", "Task Instruction: "),
            Segment("instruction", domain.open_instruction.format(k=k)),
            *_watched(domain, history, profile, limits),
            Segment("frame", "\nOutput:"),
        )
    )


def ranking_prompt(
    domain: Domain,
    history: Sequence[Item],
    profile: Profile | None,
    candidates: Sequence[Candidate],
    k: int,
    limits: Limits | None = None,
    labels: Sequence[str] = (),
    instruction: str | None = None,
    wish: str = "",
) -> Prompt:
    """History, profile and candidates in one prompt (paper, Figure 2 below).

    Args:
        domain: Whose wording is used.
        history: The picks, oldest first.
        profile: None for a prompt without one.
        candidates: In the order in which they are listed.
        k: How many recommendations are asked for.
        limits: How much of the input is shown; all by default.
        labels: One for each candidate: they are listed as ``A: "Heat (1995)"``, and the
            instruction asks for a label in place of names.
        instruction: Stands in for the paper's.
        wish: A sentence that follows the profile.
    """
    limits = limits or Limits()
    listed = item_names(domain, [c.item for c in candidates[: limits.candidates]], limits.title)
    if labels:
        listed = tuple(f"{label}: {name}" for label, name in zip(labels, listed, strict=False))
    if instruction is None:
        instruction = domain.instruction.format(k=k) + (LABEL_INSTRUCTION if labels else "")
    names = ", ".join(listed)
    return Prompt(
        (
            Segment("frame", "Task Instruction: "),
            Segment("instruction", instruction),
            *_watched(domain, history, profile, limits),
            *((Segment("frame", " "), Segment("wish", wish)) if wish else ()),
            Segment("frame", " "),
            Segment("candidates", f"{CANDIDATES_INTRO}{names}."),
            Segment("frame", "\nOutput:"),
        )
    )


def explanation_prompt(
    domain: Domain, history: Sequence[Item], item: Item, keywords: Sequence[str]
) -> Prompt:
    """Ask why an item suits the history, in one sentence about the keywords that they share.

    Args:
        domain: Whose wording is used.
        history: The picks, oldest first.
        item: The recommendation.
        keywords: Those that it shares with picks.
    """
    names = ", ".join(item_names(domain, history, _SHORTER_TITLES[1]))
    (name,) = item_names(domain, [item], _SHORTER_TITLES[1])
    return Prompt(
        (
            Segment("frame", "Task Instruction: "),
            Segment(
                "instruction",
                f"Your task is to say in one short sentence why the recommended {domain.noun} "
                "suits the user, using only the keywords that it shares with the history.",
            ),
            Segment("frame", "\nInput: "),
            Segment("history", f"{domain.history_intro} {names}."),
            Segment("frame", " "),
            Segment("candidates", f"Recommended: {name}."),
            Segment("frame", " "),
            Segment("profile", f"Shared keywords: {', '.join(keywords)}."),
            Segment("frame", "\nOutput:"),
        )
    )


def _watched(
    domain: Domain, history: Sequence[Item], profile: Profile | None, limits: Limits
) -> tuple[Segment, ...]:
    """What is known of the user: the history, and the profile where there is one."""
    watched = ", ".join(item_names(domain, history[-limits.history :], limits.title))
    preference = profile_text(profile.keywords, profile.text) if profile else ""
    # Without picks, words alone are known of the user.
    told = f"{domain.history_intro} {watched}." if history else f"User {domain.verb} nothing yet."
    return (
        Segment("frame", "\nInput: "),
        Segment("history", told),
        *((Segment("frame", " "), Segment("profile", preference)) if preference else ()),
    )


def wish_text(domain: Domain, wish: Wish) -> str:
    """What a visitor asks for, as prompts and reports state it; empty for an empty wish.

    >>> from palr.domains import MOVIES
    >>> wish_text(MOVIES, Wish(more=("western",), less=("drama", "war"), years=(1940, 1949)))
    'User asks for more western and less drama and war, for movies from 1940 to 1949.'
    """
    parts = []
    if wish.more:
        parts.append(f"more {spoken_list(wish.more)}")
    if wish.less:
        parts.append(f"less {spoken_list(wish.less)}")
    asked = [" and ".join(parts)] if parts else []
    kinds = []
    if wish.popularity:
        kinds.append("well known" if wish.popularity > 0 else "little known")
    years = f" from {wish.years[0]} to {wish.years[1]}" if wish.years else ""
    if kinds or years:
        asked.append(f"for {' '.join([*kinds, domain.nouns])}{years}")
    if not parts and asked:
        asked[0] = asked[0].removeprefix("for ")
    return f"User asks for {', '.join(asked)}." if asked else ""


def fit(
    build: Callable[[Limits], Prompt],
    fits: Callable[[Prompt, Limits], bool],
    longest_title: int,
    n_history: int,
    n_candidates: int,
) -> tuple[Prompt, Limits]:
    """The fullest prompt that fits: shorter titles first, then less history, then fewer candidates.

    Args:
        build: Makes the prompt within given limits.
        fits: Whether a prompt leaves room for its answer.
        longest_title: Characters of the longest name.
        n_history: Picks that could be shown.
        n_candidates: Candidates that could be shown.

    Returns:
        The prompt, with every cut named in ``Prompt.cuts``, and the limits that it was made
        within. The last attempt comes back even where it does not fit.
    """
    attempts = [Limits(candidates=n_candidates, history=min(n_history, HISTORY_LIMIT))]
    attempts += [_with(attempts[0], title=title) for title in _SHORTER_TITLES]
    while attempts[-1].history > _SHORTEST_HISTORY:
        attempts.append(
            _with(attempts[-1], history=max(_SHORTEST_HISTORY, attempts[-1].history - 3))
        )
    while attempts[-1].candidates > 1:
        attempts.append(_with(attempts[-1], candidates=attempts[-1].candidates * 4 // 5))
    for limits in attempts:
        prompt = build(limits)
        if fits(prompt, limits):
            break
    cuts = []
    if longest_title > limits.title:
        cuts.append(f"names longer than {limits.title} characters were shortened")
    if limits.history < n_history:
        cuts.append(f"the history shows the most recent {limits.history} of {n_history} picks")
    if limits.candidates < n_candidates:
        cuts.append(f"the list shows the first {limits.candidates} of {n_candidates} candidates")
    return Prompt(prompt.segments, tuple(cuts)), limits


def as_sent(prompt: Prompt, llm: LLM) -> Prompt:
    """The prompt with the text that the model receives, and its length in tokens."""
    rendered = llm.render(prompt.text)
    segments = tuple(replace(s, tokens=llm.count_tokens(s.text)) for s in prompt.segments)
    return Prompt(segments, prompt.cuts, rendered, llm.count_tokens(rendered))


def _with(limits: Limits, **changes: int) -> Limits:
    return replace(limits, **changes)
