"""One example as token ids: the very prompt that is served, and its answer as grounding writes it.

A labelled prompt has no written answer: the distribution over the candidates' labels is the answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from finetune.data.tasks import ANSWER_LIMIT, Example
from palr.catalog.catalog import Catalog
from palr.errors import DataError
from palr.llm.grounding import SEPARATOR
from palr.llm.transformers import TransformersLLM
from palr.prompts import Limits, fit, item_names, recommend_prompt, wish_text
from palr.ranking import DEFAULT_MODE, ranking_job
from palr.ranking.labels import labels
from palr.ranking.modes import get_mode
from palr.types import Candidate, Item, Keyword, Profile, Prompt, Wish


@dataclass(frozen=True)
class Rendered:
    """``answer`` is what is to be written, empty for a labelled prompt; ``choices`` are the label
    tokens of the candidates shown, empty for a written answer, and ``shown`` their positions in the
    example. ``marks`` are the indices of the prompt's tokens behind which the candidates are
    judged, in the mode relevance."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...] = ()
    choices: tuple[int, ...] = ()
    shown: tuple[int, ...] = ()
    marks: tuple[int, ...] = ()


def render(
    example: Example,
    catalog: Catalog,
    llm: TransformersLLM,
    mode: str = DEFAULT_MODE,
    shown: Sequence[int] = (),
    k: int = ANSWER_LIMIT,
) -> Rendered:
    """Render an example as the app renders a prompt.

    Where the prompt is labelled, a candidate that is shown keeps the label of its position in the
    whole list. Candidates that do not fit are left out, the answer's last.

    Args:
        example: The instruction.
        catalog: Whose items are meant.
        llm: Whose tokens are wanted.
        mode: The ranking mode that reads it.
        shown: Positions of the candidates to show; all by default.
        k: How many items the prompt asks for.

    Raises:
        DataError: not even the answer's candidates fit.
    """
    history = [catalog.item(item) for item in example.history]
    profile = _profile(example)
    if example.task == "Recommend":
        return _open(example, history, profile, catalog, llm, k)
    labelled = get_mode(mode).labelled
    candidates = candidates_of(example, catalog)
    shown = list(shown) or list(range(len(candidates)))
    marks = labels(llm, len(candidates)) if labelled else ()
    if labelled:
        shown = [at for at in shown if at < len(marks)]
    job = ranking_job(
        catalog.domain,
        history,
        profile,
        [candidates[at] for at in shown],
        k,
        llm,
        mode,
        marks=[marks[at] for at in shown] if labelled else (),
        wish=wish_text(catalog.domain, Wish(more=example.more, less=example.less)),
    )
    prompt, names = job.prompt, job.names
    called = {example.candidates[at]: name for at, name in zip(shown, names, strict=False)}
    if not called.keys() >= set(example.answer):
        fewer = keep(example, shown, len(names))
        return render(example, catalog, llm, mode, fewer, k)
    tokens = tuple(llm.encode_prompt(prompt.text))
    if labelled:
        kept = tuple(shown[: len(names)])
        choices = tuple(llm.encode_answer(marks[at])[0] for at in kept)
        ends = llm.marked_tokens(prompt.text, get_mode(mode).marks(prompt, names))
        return Rendered(tokens, choices=choices, shown=kept, marks=tuple(ends))
    return Rendered(tokens, _answer([called[item] for item in example.answer], llm))


def keep(example: Example, shown: Sequence[int], n: int) -> list[int]:
    """The first positions that there is room for, the answer's before all others, in their order.

    Args:
        example: The instruction.
        shown: Positions of candidates.
        n: How many there is room for.

    Raises:
        DataError: there is not even room for the answer.
    """
    wanted = [at for at in shown if example.candidates[at] in example.answer]
    if n < len(example.answer) or len(wanted) < len(example.answer):
        raise DataError(
            "a prompt does not fit the model's context, or its list the labels that the tokenizer "
            "has: lower history, candidates or answer"
        )
    others = [at for at in shown if at not in wanted]
    chosen = {*wanted, *others[: n - len(wanted)]}
    return [at for at in shown if at in chosen]


def _open(
    example: Example,
    history: Sequence[Item],
    profile: Profile | None,
    catalog: Catalog,
    llm: TransformersLLM,
    k: int,
) -> Rendered:
    domain, items = catalog.domain, [catalog.item(item) for item in example.answer]

    def answer(limits: Limits) -> tuple[int, ...]:
        return _answer(item_names(domain, items, limits.title), llm)

    def fits(prompt: Prompt, limits: Limits) -> bool:
        length = llm.count_tokens(llm.render(prompt.text)) + len(answer(limits))
        return length <= llm.context_length

    prompt, limits = fit(
        lambda limits: recommend_prompt(domain, history, profile, k, limits),
        fits,
        longest_title=max(len(domain.name(item)) for item in history),
        n_history=len(history),
        n_candidates=0,
    )
    return Rendered(tuple(llm.encode_prompt(prompt.text)), answer(limits))


def _answer(names: Sequence[str], llm: TransformersLLM) -> tuple[int, ...]:
    """The names as grounding writes them, one after the other, and the end of the turn."""
    separator = llm.encode_answer(SEPARATOR)
    tokens: list[int] = []
    for name in names:
        tokens += [*(separator if tokens else ()), *llm.encode_answer(name)]
    end = llm.tokenizer.eos_token_id
    return (*tokens, *(() if end is None else (int(end),)))


def candidates_of(example: Example, catalog: Catalog) -> list[Candidate]:
    """Its candidates as a retriever hands them on, in their order; without scores these are 0."""
    scores = example.scores or (0.0,) * len(example.candidates)
    return [
        Candidate(catalog.item(item), rank, score)
        for rank, (item, score) in enumerate(zip(example.candidates, scores, strict=True), start=1)
    ]


def _profile(example: Example) -> Profile | None:
    if not example.keywords and not example.text:
        return None
    return Profile(tuple(Keyword(text, ()) for text in example.keywords), example.text)
