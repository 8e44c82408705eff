"""Imports flow downward: the file list is the architecture, and this test keeps it so."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Each layer may import the ones before it, and itself.
LAYERS = [
    ["errors", "text", "loading"],
    ["types", "settings"],
    ["domains", "metrics"],
    ["data", "prompts", "llm"],
    ["search"],
    ["catalog", "grounding"],
    ["setup", "retrieval", "evaluation", "profile", "ranking", "edits"],
    ["newcomers"],
    ["recommender", "prefetch", "compare"],
    ["traces"],
    ["report"],
    ["insight"],
    ["studio"],
    ["programs"],
    ["bench", "serve", "doctor"],
    ["ui", "__main__"],
]
RANK = {name: level for level, names in enumerate(LAYERS) for name in names}
APART = [("retrieval", "llm"), ("llm", "retrieval"), ("ranking", "retrieval"), ("data", "llm")]


def imports(path: Path) -> set[str]:
    """Dotted names that a module imports, at its top or inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return found


def modules() -> list[Path]:
    return sorted(path for path in (ROOT / "palr").rglob("*.py") if path.name != "__init__.py")


def layer(path: Path) -> str:
    return path.relative_to(ROOT / "palr").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_downward(path):
    own = layer(path)
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "finetune":
            pytest.fail(f"{path} imports finetune")
        if parts[0] != "palr" or len(parts) < 2:
            continue
        assert RANK[parts[1]] <= RANK[own], f"{own} may not import {name}"
        assert (own, parts[1]) not in APART, f"{own} and {parts[1]} know nothing of each other"
        if "gradio" in parts:
            assert own == "ui"


def test_finetune_knows_nothing_of_the_page():
    paths = sorted((ROOT / "finetune").rglob("*.py"))
    assert paths
    for path in paths:
        for name in imports(path):
            assert not name.startswith(("palr.ui", "palr.studio", "gradio")), path


def test_only_the_page_imports_gradio():
    for path in modules():
        if layer(path) != "ui":
            assert "gradio" not in {name.split(".")[0] for name in imports(path)}, path


def test_heavy_libraries_load_lazily():
    code = (
        "import palr.studio, palr.retrieval, palr.setup, palr.__main__, sys;"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'gradio'} & set(sys.modules);"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
