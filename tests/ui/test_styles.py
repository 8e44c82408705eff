"""The style sheets keep to their own scales: sizes, colours and radii are named in one place."""

import re
from collections.abc import Iterator

import gradio as gr
import pytest

from palr.app.runtime import Runtime
from palr.settings import Settings
from palr.ui.page import build_page
from palr.ui.theme import PAPER, PAPER_DARK, STYLES

SHEETS = {
    path.stem: re.sub(r"/\*.*?\*/", "", path.read_text("utf-8"), flags=re.S) for path in STYLES
}
COLOUR = re.compile(r"#[0-9a-f]{3,8}\b|\b(?:rgb|hsl|oklch)a?\(|(?<![\w-])(?:white|black)(?![\w-])")
SIDES = {"gap", "padding", "margin"} | {
    f"{box}-{side}" for box in ("padding", "margin") for side in ("top", "right", "bottom", "left")
}


def tokens(selector: str) -> dict[str, str]:
    """The custom properties of the first block with this selector in ``tokens.css``."""
    found = re.search(rf"^{re.escape(selector)} {{(.*?)^}}", SHEETS["tokens"], re.S | re.M)
    assert found
    return dict(re.findall(r"(--[\w-]+):\s*([^;]+);", found[1]))


def rules() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Selector and declarations of every rule outside ``tokens.css``."""
    for name, text in SHEETS.items():
        for selector, body in re.findall(r"([^{}]+){([^{}]*)}", text) if name != "tokens" else ():
            lines = [line.split(":", 1) for line in body.split(";") if ":" in line]
            yield selector.strip(), [(key.strip(), value.strip()) for key, value in lines]


def declared(*properties: str) -> list[tuple[str, str, str]]:
    """Selector, property and value wherever one of the properties is set."""
    found = [(at, key, value) for at, lines in rules() for key, value in lines if key in properties]
    assert found, properties
    return found


def test_a_type_scale_of_at_most_seven_sizes_in_rem() -> None:
    scale = {name: size for name, size in tokens(":root").items() if name.startswith("--text-")}
    assert 6 <= len(scale) <= 7
    assert all(re.search(r"\d(\.\d+)?rem", size) and "px" not in size for size in scale.values())


def test_every_font_size_is_of_the_scale() -> None:
    scale = [name for name in tokens(":root") if name.startswith("--text-")]
    used = set()
    for selector, key, value in declared("font-size", "font"):
        size = value if key == "font-size" else value.split()[1].split("/")[0]
        name = size.removeprefix("var(").removesuffix(")")
        assert name in scale, f"{selector}: {key}: {value}"
        used.add(name)
    assert used == set(scale)


def test_radii_are_of_the_scale() -> None:
    for selector, _, value in declared("border-radius"):
        assert value == "0" or re.fullmatch(r"var\(--radius[\w-]*\)", value), f"{selector}: {value}"


def test_spaces_are_of_the_scale() -> None:
    """Up to three pixels set something optically right; whatever is more is a space."""
    step = r"0|auto|-?[123]px|var\(--space-\d\)|calc\((-1|2) \* var\(--space-\d\)\)"
    for selector, key, value in declared(*SIDES):
        plain = value.removesuffix(" !important")
        assert re.fullmatch(rf"({step})( ({step}))*", plain), f"{selector}: {key}: {value}"


def test_colours_are_named_for_both_modes_and_written_nowhere_else() -> None:
    light, dark = tokens(":root"), tokens(".dark")
    assert {name for name, value in light.items() if COLOUR.search(value)} == set(dark)
    for selector, lines in rules():
        for key, value in lines:
            assert not COLOUR.search(value), f"{selector}: {key}: {value}"
    assert (light["--paper"], dark["--paper"]) == (PAPER, PAPER_DARK)


def test_every_name_is_defined_and_used() -> None:
    ours = set(tokens(":root"))
    local = {"--font"}  # of Gradio's theme
    used = {name for text in SHEETS.values() for name in re.findall(r"var\((--[\w-]+)", text)}
    assert used <= ours | local
    assert ours - used <= {"--accent-strong"}  # of the theme


@pytest.mark.parametrize("name", [".segmented", ".text-field", ".quiet", ".keyword"])
def test_a_control_is_a_class(name: str) -> None:
    """No list of ids repeats what a class says, and no id restyles a part of a control."""
    selectors = [part.strip() for at, _ in rules() for part in at.split(",")]
    assert any(part.startswith(name) for part in selectors)
    assert not [part for part in selectors if "#" in part and name in part]


def test_no_rule_lists_ids() -> None:
    lists = [at for at, _ in rules() if sum("#" in part for part in at.split(",")) > 1]
    assert lists == []
    assert not re.search(r"#(domain|retriever|mode|adapter)\b", "".join(SHEETS.values()))


def test_no_comma_in_brackets() -> None:
    """Gradio splits selectors at commas, wherever they stand."""
    assert not [at for at, _ in rules() if re.search(r"\([^)]*,", at) and not at.startswith("@")]


def test_a_rule_uses_a_shorthand_or_its_parts() -> None:
    """Gradio loses the shorthand where both stand in a rule and one holds a variable."""
    for selector, lines in rules():
        values = dict(lines)
        for key in ("font", "padding", "margin"):
            parts = [other for other in values if other.startswith(f"{key}-")]
            assert not (key in values and parts), f"{selector}: {key} and {parts}"


def test_every_radio_group_of_the_page_is_segmented(settings: Settings) -> None:
    runtime = Runtime(settings.model_copy(update={"llm_backend": "scripted"}))
    radios = [
        block for block in build_page(runtime).demo.blocks.values() if isinstance(block, gr.Radio)
    ]
    assert len(radios) >= 4
    assert all("segmented" in radio.elem_classes for radio in radios)
