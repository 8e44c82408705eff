"""Edit a stage and run again from there: what the profile, the instruction, a candidate or the
prompt's wording does to the ranking, with the run before it at its side."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import gradio as gr

from palr.edits import (
    MAX_CANDIDATES,
    MAX_INSTRUCTION,
    MAX_KEYWORDS,
    MAX_PROFILE,
    MAX_PROMPT,
)
from palr.errors import PalrError
from palr.runs.compare import compare
from palr.types import Edits, Prompt, Recommendation
from palr.ui.panels.host import PanelHost, Step, action, controls, html, whole
from palr.ui.picker import Selection, Words, picker
from palr.ui.sides import side_by_side

MAX_OFFERED = 40  # keywords of the picks that can be chosen; any other can be written
MAX_RUNS = 10  # that can be gone back to; the first one always stays
_INTRO = (
    '<p class="lede">Change any of these and run again: what you did not touch is kept. What you '
    "write into the profile counts as a wish, such as “no crime, more westerns”: candidates and "
    "ranking follow it. Only candidates of the list can be recommended, whatever the prompt "
    "says.</p>"
)


@dataclass(frozen=True)
class Visit:
    """The runs since the last recommendation, which is the first of them, and the one shown."""

    runs: tuple[Recommendation, ...]
    at: int = 0

    @property
    def shown(self) -> Recommendation:
        return self.runs[self.at]

    def then(self, trace: Recommendation) -> "Visit":
        """With one more run behind the one that is shown; what was undone is forgotten."""
        runs = (*self.runs[: self.at + 1], trace)
        if len(runs) > MAX_RUNS:
            runs = (runs[0], *runs[2:])
        return Visit(runs, len(runs) - 1)

    def step(self, by: int) -> "Visit":
        return replace(self, at=min(max(self.at + by, 0), len(self.runs) - 1))


@dataclass(frozen=True)
class Fields:
    """What the boxes hold, read from a trace or from the page; ``offered`` are keywords of the
    picks, to choose from."""

    profile: str = ""
    keywords: tuple[str, ...] = ()
    instruction: str = ""
    candidates: tuple[str, ...] = ()
    prompt: str = ""
    offered: tuple[str, ...] = ()

    @classmethod
    def of(cls, trace: Recommendation) -> "Fields":
        profile, prompt = trace.profile, trace.prompt or Prompt(())
        written = [s.text for s in prompt.segments if s.part == "instruction"]
        return cls(
            profile.text if profile else "",
            tuple(keyword.text for keyword in profile.keywords) if profile else (),
            trace.asked.edits.instruction or "".join(written),
            tuple(candidate.item.id for candidate in trace.candidates or ()),
            prompt.text,
            tuple(dict.fromkeys(word for item in trace.history for word in item.keywords)),
        )

    @classmethod
    def read(
        cls, profile: str, keywords: object, instruction: str, candidates: object, prompt: str
    ) -> "Fields":
        chips = keywords if isinstance(keywords, list) else []
        words = (" ".join(chip.split()) for chip in chips if isinstance(chip, str))
        return cls(
            profile,
            tuple(word for word in words if word),
            instruction,
            Selection.parse(candidates).ids,
            prompt.replace("\r\n", "\n"),
        )

    def page(self, domain: str) -> tuple[Any, ...]:
        chosen = Selection(domain, self.candidates).payload()
        choices = dict.fromkeys((*self.keywords, *self.offered[:MAX_OFFERED]))
        chips = gr.update(choices=list(choices), value=list(self.keywords))
        return self.profile, chips, self.instruction, chosen, self.prompt


def edits_of(now: Fields, first: Fields, shown: Recommendation) -> Edits:
    """What differs from the ``first`` run; an emptied instruction or prompt is built again.

    A prompt counts as edited where it is not the one that the run ``shown`` has built.
    """
    was = Fields.of(shown)
    prompt = shown.asked.edits.prompt if now.prompt == was.prompt else now.prompt
    instruction = now.instruction if now.instruction.strip() else first.instruction
    return Edits(
        now.profile if now.profile != first.profile else None,
        now.keywords if now.keywords != first.keywords else None,
        instruction if instruction != first.instruction else None,
        now.candidates if now.candidates != first.candidates else None,
        prompt if prompt and prompt.strip() else None,
    )


Visits = dict[str, Visit]


@dataclass(frozen=True)
class _Panel:
    host: PanelHost
    fields: tuple[Any, ...] = field(default=())

    def follow(self, domain: str, trace: Recommendation | None, visits: Visits) -> Any:
        visit = visits.get(domain)
        if trace is None:
            visits = {key: kept for key, kept in visits.items() if key != domain}
        elif visit is None or visit.runs[0].run_id != trace.run_id:
            visits = {**visits, domain: Visit((trace,))}
        return self.page(domain, visits)

    def page(self, domain: str, visits: Visits) -> tuple[Any, ...]:
        visit = visits.get(domain)
        fields = Fields.of(visit.shown) if visit else Fields()
        return (visits, *self.result(visit), *fields.page(domain))

    def result(self, visit: Visit | None) -> tuple[Any, Any, Any]:
        shown, back, forth = "", False, False
        if visit:
            back, forth = visit.at > 0, visit.at < len(visit.runs) - 1
        if visit and back:
            before = visit.runs[visit.at - 1]
            shown = side_by_side(before, visit.shown, compare(before, visit.shown))
        return shown, gr.update(interactive=back), gr.update(interactive=forth)

    def stepped(self, by: int, domain: str, visits: Visits) -> tuple[Any, ...]:
        visit = visits.get(domain)
        return self.page(domain, {**visits, domain: visit.step(by)} if visit else visits)

    def work(self, trace: Recommendation, visits: Visits, *values: Any) -> Generator[Step | None]:
        visit = visits.get(trace.domain)
        if visit is None or visit.runs[0].run_id != trace.run_id:
            visit = Visit((trace,))
        first = visit.runs[0]
        edits = edits_of(Fields.read(*values), Fields.of(first), visit.shown)
        kept = first.asked.edits  # a run that was opened from a file may begin with edits
        edits = replace(
            edits,
            **{
                name: getattr(kept, name)
                for name in kept.made
                if name != "prompt" and getattr(edits, name) is None
            },
        )
        if edits == visit.shown.asked.edits:
            raise PalrError("nothing was edited since the run that is shown: change a box first")
        asked = replace(first.asked, mode=first.mode, edits=edits)
        run = self.host.handlers.stream(trace.domain, first.picks, asked, first)
        after = yield from whole(run, Step("Running again"))
        visits = {**visits, trace.domain: visit.then(after)}
        yield Step("Done", page=self.page(trace.domain, visits))


def build(host: PanelHost) -> None:
    html(_INTRO)
    profile = _box("Profile text", MAX_PROFILE, 3, "edit-profile")
    keywords = gr.Dropdown(
        [],
        value=[],
        multiselect=True,
        allow_custom_value=True,
        max_choices=MAX_KEYWORDS,
        label="Keywords: choose or write one and press Enter",
        elem_id="edit-keywords",
    )
    instruction = _box("Instruction (empty: the paper's)", MAX_INSTRUCTION, 2, "edit-instruction")
    words = Words("candidate", "In this order, best first.", MAX_CANDIDATES, personas=False)
    first = host.runtime.domains[0].key
    candidates = picker(host.runtime, first, "edit-candidates", words)
    prompt = _box(
        "The whole prompt (empty: built from the boxes above)", MAX_PROMPT, 6, "edit-prompt"
    )
    boxes: Sequence[Any] = (profile, keywords, instruction, candidates, prompt)
    visits = gr.State({})
    run = controls("Run again", "edit-run")
    with gr.Row(elem_classes="panel-action"):
        back = gr.Button("Undo", interactive=False, elem_id="edit-undo", scale=0)
        forth = gr.Button("Redo", interactive=False, elem_id="edit-redo", scale=0)
    shown = html("", elem_id="edit-result")
    panel = _Panel(host)
    outputs = [visits, shown, back, forth, *boxes]
    action(host, run, panel.work, [visits, *boxes], outputs)
    host.follow(panel.follow, outputs, [visits])
    for button, by in ((back, -1), (forth, 1)):
        button.click(
            lambda domain, visits, by=by: panel.stepped(by, domain, visits),
            [host.domain, visits],
            outputs,
            **host.quick,
        )


def _box(label: str, limit: int, lines: int, elem_id: str) -> gr.Textbox:
    return gr.Textbox(
        label=label,
        max_length=limit,
        lines=lines,
        max_lines=max(lines, 16) if lines > 1 else 1,
        elem_id=elem_id,
    )
