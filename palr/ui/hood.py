"""The "Under the hood" disclosure: what was sent, what came back, and the trace itself."""

from collections.abc import Sequence
from typing import get_args

from palr.data.datasets import dataset_name
from palr.ranking import MODES
from palr.types import Part, Prompt, Recommendation, Segment
from palr.ui.render import View, duration, retriever_name
from palr.ui.text import escape

_PARTS: dict[Part, str] = {
    "instruction": "Instruction",
    "history": "History",
    "profile": "Profile",
    "wish": "Wish",
    "candidates": "Candidates",
    "frame": "Frame",
    "edited": "Edited by hand",
}


def under_the_hood(view: View) -> str:
    trace = view.trace
    if trace is None:
        return ""
    profile, ranking = trace.profile, trace.ranking
    parts = [_facts(trace)]
    if profile and profile.prompt:
        parts.append(_exchange("Profile prompt", profile.prompt, profile.raw, profile.repairs))
    if trace.prompt:
        raw = ranking.raw if ranking else ""
        repairs = ranking.repairs if ranking else ()
        parts.append(_exchange("Ranking prompt", trace.prompt, raw, repairs))
    if trace.notes:
        parts.append(f"<h3>Notes</h3>{_list(trace.notes)}")
    if view.phase in ("done", "cancelled", "failed"):
        parts.append(_trace_json(trace))
    return (
        '<details class="disclosure hood" data-keep="hood"><summary><span class="panel-name">'
        "Under the hood\nprompts as sent, raw output, trace</span></summary>"
        f'<div class="hood-body">{"".join(parts)}</div></details>'
    )


def prompt_html(prompt: Prompt) -> str:
    """The text exactly as sent where that is known, each part in its colour."""
    before, found, after = prompt.rendered.partition(prompt.text)
    if not prompt.rendered or not found:
        before = after = ""
    segments = (Segment("frame", before), *prompt.segments, Segment("frame", after))
    marks = "".join(
        f'<span class="part part-{s.part}">{escape(s.text)}</span>' for s in segments if s.text
    )
    shown = f'<pre class="prompt" tabindex="0">{marks}</pre>'
    if prompt.rendered and not found:
        shown += f'<p class="caption">As the model received it</p>{_pre(prompt.rendered)}'
    return shown


def _exchange(name: str, prompt: Prompt, raw: str, repairs: Sequence[str]) -> str:
    key = name.split()[0].lower()
    tokens = f"{prompt.tokens:,} tokens" if prompt.tokens is not None else "tokens not counted"
    body = _legend(prompt) + prompt_html(prompt)
    if prompt.cuts:
        body += f'<p class="caption">Cut to fit the context</p>{_list(prompt.cuts)}'
    if raw:
        body += f'<p class="caption">Raw output</p>{_pre(raw)}'
    if repairs:
        body += f'<p class="caption">Repairs</p>{_list(repairs)}'
    return (
        f'<details class="exchange" data-keep="{key}-prompt"><summary>{name}'
        f'<span class="summary-hint">{tokens}</span></summary>{body}</details>'
    )


def _legend(prompt: Prompt) -> str:
    used = {segment.part for segment in prompt.segments}
    entries = []
    for part in get_args(Part):
        if part in used:
            tokens = sum(s.tokens or 0 for s in prompt.segments if s.part == part)
            entries.append(
                f'<li><span class="part part-{part}">{_PARTS[part]}</span> '
                f'<span class="muted">{tokens:,} tokens</span></li>'
            )
    return f'<ul class="legend" aria-label="Colours">{"".join(entries)}</ul>'


def _facts(trace: Recommendation) -> str:
    facts = [("Data set", dataset_name(trace.dataset))]
    if trace.llm:
        facts.append(("Language model", trace.llm))
    if trace.retriever:
        facts.append(("Retriever", retriever_name(trace.retriever)))
    facts.append(("Ranking", MODES[trace.mode].label if trace.mode in MODES else trace.mode))
    facts.append(("History", f"{len(trace.history)} of {len(trace.picks)} picks"))
    if trace.ranking and trace.ranking.forward_passes is not None:
        facts.append(("Forward passes, ranking", f"{trace.ranking.forward_passes:,}"))
    if trace.asked.edits.made:
        facts.append(("Edited", ", ".join(trace.asked.edits.made)))
    if trace.fallback:
        facts.append(("Fallback", trace.fallback))
    if trace.run_id:
        facts.append(("Run", trace.run_id))
    facts += [(f"Time, {stage}", duration(seconds)) for stage, seconds in trace.seconds.items()]
    rows = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in facts)
    return f'<dl class="facts">{rows}</dl>'


def _trace_json(trace: Recommendation) -> str:
    return (
        '<details class="exchange" data-keep="trace"><summary>Trace'
        '<span class="summary-hint">the whole run as JSON</span></summary>'
        '<p class="actions">'
        '<button type="button" class="quiet" data-copy="trace-json">Copy</button></p>'
        f'<pre id="trace-json" class="json" tabindex="0">{escape(trace.to_json())}</pre></details>'
    )


def _pre(text: str) -> str:
    return f'<pre class="raw" tabindex="0">{escape(text)}</pre>'


def _list(lines: Sequence[str]) -> str:
    return f'<ul class="lines">{"".join(f"<li>{escape(line)}</li>" for line in lines)}</ul>'
