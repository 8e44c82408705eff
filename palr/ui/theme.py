"""How the page looks: the Gradio theme, the style sheets and the page script.

The fonts are files in ``assets/fonts``, so the page asks nothing of any other host. Sizes and
colours live in ``assets/styles/tokens.css``; the theme points Gradio's own controls at them.
"""

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.themes.utils.fonts import LocalFont

_HERE = Path(__file__).parent
_ASSETS = _HERE.parents[1] / "assets"
_SHEETS = ("tokens", "frame", "controls", "picker", "stages", "refine", "panels", "plots")
STYLES = [_ASSETS / "styles" / f"{name}.css" for name in _SHEETS]
FONTS = _ASSETS / "fonts"

# Gradio paints these two before any style sheet has arrived: they equal --paper in tokens.css.
PAPER, PAPER_DARK = "#f6f6f2", "#141716"


# Gradio's own copies of most families lack the Latin alphabet, so these are ours.
_FACES = (
    ("IBM Plex Sans", "ibm-plex-sans.woff2", "normal"),
    ("Newsreader", "newsreader.woff2", "normal"),
    ("Newsreader", "newsreader-italic.woff2", "italic"),
)

_COLOURS = {
    "body_text_color": "var(--ink)",
    "background_fill_primary": "var(--surface)",
    "background_fill_secondary": "var(--sunken)",
    "border_color_primary": "var(--line)",
    "block_background_fill": "transparent",
    "block_label_text_color": "var(--ink-2)",
    "block_info_text_color": "var(--ink-2)",
    "button_primary_background_fill": "var(--accent)",
    "button_primary_background_fill_hover": "var(--accent-strong)",
    "button_primary_border_color": "transparent",
    "button_primary_text_color": "var(--accent-ink)",
    "button_secondary_background_fill": "transparent",
    "button_secondary_background_fill_hover": "var(--sunken)",
    "button_secondary_border_color": "var(--line-strong)",
    "button_secondary_text_color": "var(--ink)",
    "input_background_fill": "var(--surface)",
    "input_background_fill_focus": "var(--surface)",
    "input_border_color": "var(--line-strong)",
    "input_border_color_focus": "var(--accent)",
    "input_placeholder_color": "var(--ink-3)",
}
"""Of both modes: the names stand for other colours in the dark."""

_SHAPES = {
    "block_border_width": "0px",
    "block_shadow": "none",
    "button_border_width": "1px",
    "button_large_radius": "var(--radius)",
    "button_large_text_size": "var(--text-body)",
    "button_large_text_weight": "600",
    "button_primary_shadow": "none",
    "button_secondary_shadow": "none",
    "input_border_width": "1px",
    "input_padding": "var(--space-2) var(--space-4)",
    "input_radius": "var(--radius)",
    "input_shadow": "none",
    "input_shadow_focus": "none",
    "input_text_size": "var(--text-body)",
}


def studio_theme() -> gr.themes.Base:
    """Ink on paper, one green; both modes from the same variables."""
    theme = gr.themes.Base(
        primary_hue="emerald",
        neutral_hue="stone",
        text_size="md",
        radius_size="md",
        font=["IBM Plex Sans", "system-ui", "sans-serif"],
        font_mono=[LocalFont("IBM Plex Mono", weights=(400,)), "ui-monospace", "monospace"],
    )
    theme.custom_css = "\n".join(_face(*face) for face in _FACES)
    dark = {f"{name}_dark": colour for name, colour in _COLOURS.items()}
    theme.set(body_background_fill=PAPER, body_background_fill_dark=PAPER_DARK)
    theme.set(**_COLOURS, **dark, **_SHAPES)
    return theme


def _face(family: str, file: str, style: str) -> str:
    url = f"gradio_api/file={(FONTS / file).as_posix()}"
    return (
        f"@font-face {{ font-family: '{family}'; src: url('{url}') format('woff2'); "
        f"font-weight: 200 800; font-style: {style}; font-display: swap; }}"
    )


def launch_options() -> dict[str, Any]:
    """What `gr.Blocks.launch` needs to show the page as designed."""
    gr.set_static_paths([FONTS])
    script = "".join((_HERE / name).read_text("utf-8") for name in ("connection.js", "page.js"))
    return {
        "theme": studio_theme(),
        "css_paths": STYLES,
        "head": f"<script>{script}</script>",
        "footer_links": [],
        "ssr_mode": False,
    }
