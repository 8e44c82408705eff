"""A visitor's edits on their way into a run: bounded, and never outside the catalog."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from palr.catalog.catalog import Catalog
from palr.errors import PalrError, UnknownItemError
from palr.llm.base import LLM
from palr.profile import supported_keywords
from palr.profile_sentences import offered_sentences
from palr.prompts import as_sent
from palr.ranking import Job, answer_tokens
from palr.text import sentences
from palr.types import Edits, Item, Keyword, Profile, Prompt, Segment

MAX_KEYWORDS, MAX_KEYWORD, MAX_PROFILE, MAX_INSTRUCTION, MAX_PROMPT = 12, 60, 1000, 600, 16_000
MAX_CANDIDATES = 100


class EditError(PalrError):
    """An edit that cannot be run; the text says what to change."""


def check(edits: Edits) -> None:
    """Raises EditError where an edit is too long or leaves nothing to work with."""
    for name, text, limit in (
        ("profile", edits.profile, MAX_PROFILE),
        ("instruction", edits.instruction, MAX_INSTRUCTION),
        ("prompt", edits.prompt, MAX_PROMPT),
    ):
        if text is not None and len(text) > limit:
            raise EditError(f"the {name} has {len(text):,} characters: shorten it to {limit:,}")
    if edits.instruction is not None and not edits.instruction.strip():
        raise EditError("the instruction is empty: say what to do, or put the paper's wording back")
    if edits.prompt is not None and not edits.prompt.strip():
        raise EditError("the prompt is empty: write one, or put the built one back")
    keywords = edits.keywords or ()
    if len(keywords) > MAX_KEYWORDS or any(len(word) > MAX_KEYWORD for word in keywords):
        raise EditError(
            f"a profile takes {MAX_KEYWORDS} keywords of {MAX_KEYWORD} characters at most"
        )
    if edits.candidates is not None and not 1 <= len(edits.candidates) <= MAX_CANDIDATES:
        raise EditError(f"the list takes 1 to {MAX_CANDIDATES} candidates")


def chosen_items(
    ids: Iterable[str], history: Sequence[Item], catalog: Catalog
) -> tuple[tuple[Item, ...], tuple[str, ...]]:
    """The items of an edited candidate list, each once, and notes on what was left out of it.

    Raises:
        EditError: nothing is left.
    """
    picked = {item.id for item in history}
    items, unknown, picks = [], 0, 0
    for item_id in dict.fromkeys(ids):
        try:
            item = catalog.item(item_id)
        except UnknownItemError:
            unknown += 1
            continue
        picks += item.id in picked
        items += [item] if item.id not in picked else []
    if not items:
        raise EditError("the list has no candidate that could be recommended: add one")
    notes = [f"{unknown} of the edited candidates are not in this catalog"] if unknown else []
    notes += [f"{picks} of the edited candidates are among the picks"] if picks else []
    return tuple(items), tuple(f"left out: {note}" for note in notes)


def edited_profile(
    profile: Profile, edits: Edits, support: Mapping[str, tuple[str, ...]]
) -> Profile:
    """The profile with the visitor's words in it; a keyword of theirs may have no support."""
    if edits.keywords is not None:
        words = dict.fromkeys(" ".join(word.split()) for word in edits.keywords)
        keywords = tuple(Keyword(word, support.get(word, ())) for word in words if word)
        gone = [k.text for k in profile.keywords if k.text not in words]
        profile = replace(profile, keywords=keywords, text=_without(profile.text, gone))
    if edits.profile is not None:
        profile = replace(profile, text=" ".join(edits.profile.split()))
    return profile


def given_profile(edits: Edits, history: Sequence[Item], catalog: Catalog) -> Profile:
    """A profile that nobody wrote for this run: text and keywords are those of the edits.

    Sentences that a model would offer for the keywords are taken as a model's, so that a profile
    which was written earlier can be handed back without its words becoming a wish.
    """
    profile = edited_profile(Profile(), edits, supported_keywords(history, catalog))
    offered = offered_sentences(profile.keywords, history, catalog)
    return replace(profile, raw=" ".join(text for text in offered if text in profile.text))


def _without(text: str, keywords: Sequence[str]) -> str:
    """The sentences that name none of the keywords."""
    names = [re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE) for word in keywords]
    return " ".join(s for s in sentences(text) if not any(name.search(s) for name in names))


def edited_job(job: Job, edits: Edits, llm: LLM) -> tuple[Job, tuple[str, ...]]:
    """The job with the prompt that is sent, and a note where its text is the visitor's.

    Raises:
        EditError: it does not fit into the model's context together with an answer.
    """
    notes: tuple[str, ...] = ()
    prompt, names = job.prompt, job.names
    if edits.prompt is not None:
        prompt = as_sent(Prompt((Segment("edited", edits.prompt),)), llm)
        notes = (f"the prompt's text was edited: only the {len(names)} candidates can come out",)
    room = llm.context_length - answer_tokens(names, job.k, llm)
    if edits.made and prompt.tokens is not None and prompt.tokens > room:
        what = "prompt" if edits.prompt is not None else "instruction or the profile"
        raise EditError(
            f"the prompt has {prompt.tokens:,} tokens, and {llm.name} takes {max(room, 0):,} "
            f"beside its answer: shorten the {what}"
        )
    return replace(job, prompt=prompt), notes
