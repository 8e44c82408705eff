"""How the page looks: the Gradio theme, the style sheet and the page script.

The fonts are files in ``assets/fonts``, so the page asks nothing of any other host. The colours
live in ``assets/styles/studio.css``; the theme points Gradio's own controls at them.
"""

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.themes.utils.fonts import LocalFont

_HERE = Path(__file__).parent
_ASSETS = _HERE.parents[1] / "assets"
STYLES = _ASSETS / "styles" / "studio.css"
FONTS = _ASSETS / "fonts"

# Gradio paints these two before any style sheet has arrived: they equal --paper in studio.css.
_PAPER, _PAPER_DARK = "#f6f6f2", "#141716"


# Gradio's own copies of most families lack the Latin alphabet, so these are ours.
_FACES = (
    ("IBM Plex Sans", "ibm-plex-sans.woff2", "normal"),
    ("Newsreader", "newsreader.woff2", "normal"),
    ("Newsreader", "newsreader-italic.woff2", "italic"),
)


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
    theme.set(
        body_background_fill=_PAPER,
        body_background_fill_dark=_PAPER_DARK,
        body_text_color="#1b1d1c",
        body_text_color_dark="#eceeea",
        background_fill_primary="var(--surface)",
        background_fill_primary_dark="var(--surface)",
        background_fill_secondary="var(--sunken)",
        background_fill_secondary_dark="var(--sunken)",
        border_color_primary="var(--line)",
        border_color_primary_dark="var(--line)",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_shadow="none",
        block_label_text_color="var(--ink-2)",
        block_label_text_color_dark="var(--ink-2)",
        button_primary_background_fill="var(--accent)",
        button_primary_background_fill_dark="var(--accent)",
        button_primary_background_fill_hover="var(--accent-strong)",
        button_primary_background_fill_hover_dark="var(--accent-strong)",
        button_primary_text_color="var(--accent-ink)",
        button_primary_text_color_dark="var(--accent-ink)",
        button_secondary_background_fill="transparent",
        button_secondary_background_fill_dark="transparent",
        button_secondary_background_fill_hover="var(--sunken)",
        button_secondary_background_fill_hover_dark="var(--sunken)",
        button_secondary_border_color="var(--line-strong)",
        button_secondary_border_color_dark="var(--line-strong)",
        button_secondary_text_color="var(--ink)",
        button_secondary_text_color_dark="var(--ink)",
    )
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
    script = (_HERE / "page.js").read_text("utf-8")
    return {
        "theme": studio_theme(),
        "css_paths": [STYLES],
        "head": f"<script>{script}</script>",
        "footer_links": [],
        "ssr_mode": False,
    }
