"""Your own item: something that no model has seen, brought by its title and keywords."""

from collections.abc import Generator, Sequence
from typing import Any

import gradio as gr

from palr.catalog.own_items import MAX_ITEMS, MAX_LISTED, MAX_TITLE
from palr.errors import PalrError
from palr.types import Item
from palr.ui import render
from palr.ui.handlers import known
from palr.ui.panels.host import PanelHost, html
from palr.ui.text import escape

LEDE = (
    '<p class="panel-lede">Bring something that no model was trained on: a title and keywords are '
    "enough. The sentence model reads them, and from the next run on it can be found, picked, "
    "retrieved and ranked like anything else. It is marked as yours, nobody else sees it, and it "
    "is gone when you close or reload the page.</p>"
)


def build(host: PanelHost) -> None:
    html(LEDE)
    title = gr.Textbox(label="Title", max_length=MAX_TITLE + 8, max_lines=1, elem_id="own-title")
    listed = gr.Textbox(
        label="Keywords, with commas between them",
        max_length=MAX_LISTED,
        max_lines=1,
        elem_id="own-keywords",
    )
    with gr.Row(elem_classes="panel-action"):
        add = gr.Button("Add", scale=0, elem_id="own-add")
        clear = gr.Button("Clear", scale=0, elem_id="own-clear")
    said = html("", elem_classes="panel-said")
    shown = html("", elem_id="own")
    page = [said, shown, title, listed]
    runtime = host.runtime

    def bring(domain: str, name: str, keywords: str, request: gr.Request) -> Generator[Any]:
        visitor, key = request.session_hash or "", known(domain)
        kept = (gr.skip(), gr.skip(), gr.skip())
        words = "Reading it with the sentence model; the first time, the whole catalog too"
        yield (render.progress(words), *kept)
        try:
            item = runtime.add_own_item(visitor, key, name, keywords)
        except PalrError as error:
            text = str(error)
            yield (render.notice(f"{text[:1].upper()}{text[1:]}.", "error"), *kept)
            return
        told = f"{item.label} is there now: search for it, or press Recommend."
        yield (render.notice(told), brought(runtime.own_items.of(visitor, key)), "", "")

    def forget(domain: str, request: gr.Request) -> Any:
        runtime.own_items.clear(request.session_hash or "", known(domain))
        return "", brought(())

    def follow(domain: str, request: gr.Request) -> Any:
        own = runtime.own_items.of(request.session_hash or "", known(domain))
        return "", brought(own)

    asked = [host.domain, title, listed]
    add.click(bring, asked, page, concurrency_limit=4, **host.quiet)
    listed.submit(bring, asked, page, concurrency_limit=4, **host.quiet)
    clear.click(forget, host.domain, [said, shown], **host.quick)
    host.switched.then(follow, host.domain, [said, shown], **host.quick)


def brought(items: Sequence[Item]) -> str:
    if not items:
        return ""
    rows = "".join(
        f'<li>{render.title(item)} <span class="muted">{escape(" · ".join(item.keywords))}</span>'
        "</li>"
        for item in items
    )
    full = " The list is full." if len(items) == MAX_ITEMS else ""
    return (
        f'<h3>Yours</h3><ul class="lines">{rows}</ul><p class="caption">A model that learnt items '
        "one by one cannot score these: among its candidates each takes the rank that the semantic "
        f"retriever gives it.{full}</p>"
    )
