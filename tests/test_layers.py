"""Imports flow downward and never in a circle: the file list is the architecture."""

import ast
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Each package may import the ones before it, and itself.
LAYERS = [
    "errors",
    "files",
    "outputs",
    "text",
    "model_lock",
    "types",
    "settings",
    "domains",
    "data",
    "llm",
    "prompts",
    "catalog",
    "wish",
    "retrieval",
    "profile_sentences",
    "profile",
    "ranking",
    "edits",
    "steering",
    "candidates",
    "profile_stage",
    "recommender",
    "evaluation",
    "training",
    "runs",
    "insight",
    "app",
    "bench",
    "serve",
    "ui",
    "commands",
    "__main__",
]
RANK = {name: level for level, name in enumerate(LAYERS)}
APART = [("retrieval", "llm"), ("ranking", "retrieval"), ("llm", "data"), ("recommender", "data")]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    module_name(path): path for top in ("palr", "finetune") for path in (ROOT / top).rglob("*.py")
}


def imports(path: Path) -> set[str]:
    """Modules and packages that a module imports, at its top or inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                found.add(submodule if submodule in MODULES else node.module)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return found


def circles(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Every way around from a node to itself, once each: depth first, by back edges."""
    found: list[list[str]] = []
    done: set[str] = set()

    def visit(node: str, path: list[str]) -> None:
        if node in path:
            found.append([*path[path.index(node) :], node])
        elif node not in done:
            for other in sorted(graph.get(node, ())):
                visit(other, [*path, node])
            done.add(node)

    for node in sorted(graph):
        visit(node, [])
    return found


def test_circles_are_found():
    assert circles({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]}) == [["a", "b", "c", "a"]]
    assert circles({"a": ["b", "c"], "b": ["c"], "c": []}) == []


def test_no_module_imports_itself_by_way_of_others():
    graph = {name: imports(path) & set(MODULES) - {name} for name, path in MODULES.items()}
    assert circles(graph) == []


@pytest.mark.parametrize("name", sorted(name for name in MODULES if name.startswith("palr.")))
def test_imports_go_downward(name):
    own = name.split(".")[1]
    for imported in imports(MODULES[name]):
        parts = imported.split(".")
        assert parts[0] != "finetune", f"{name} imports {imported}"
        if parts[0] != "palr" or len(parts) < 2 or imported not in MODULES:
            continue
        assert RANK[parts[1]] <= RANK[own], f"{name} may not import {imported}"
        assert (own, parts[1]) not in APART, f"{own} knows nothing of {parts[1]}"


def test_finetune_knows_nothing_of_the_page():
    paths = [path for name, path in MODULES.items() if name.startswith("finetune")]
    assert paths
    for path in paths:
        for name in imports(path):
            assert not name.startswith(("palr.ui", "palr.app.runtime", "gradio")), path


def test_only_the_page_imports_gradio():
    for name, path in MODULES.items():
        if not name.startswith("palr.ui"):
            assert "gradio" not in {imported.split(".")[0] for imported in imports(path)}, path


def test_heavy_libraries_load_lazily():
    code = (
        "import palr.app.runtime, palr.retrieval, palr.app.setup, palr.__main__, sys;"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'gradio'} & set(sys.modules);"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
