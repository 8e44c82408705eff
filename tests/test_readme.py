"""What the documentation says is so: tables and charts are current, and what it names exists."""

import importlib.util
import json
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer
import yaml

import finetune.__main__
import palr
import palr.__main__
from finetune.training.record import read_record, sha256
from palr.data.datasets import DATASETS
from palr.evaluation.records import read
from palr.evaluation.report import PAPER, PAPER_SOURCE
from palr.llm.adapters import WEIGHTS
from palr.settings import PREFIX, Settings
from tests.readme import (
    CHARTS,
    DOCUMENTS,
    README,
    RESULTS,
    ROOT,
    TABLES,
    measured,
    results_of,
    with_tables,
)

TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text() for path in DOCUMENTS}
ALL = "\n".join(TEXTS.values())
COMMANDS = {"palr": palr.__main__.app, "finetune": finetune.__main__.app}
TO_BE_WRITTEN = {"palr/retrieval/followed.py"}  # the reader's, in the worked example


def paragraphs(text: str) -> str:
    """The prose, without code blocks, whose code spans may run over the end of a line."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE).replace("\n", " ")


def spans() -> Iterator[tuple[str, str]]:
    for document, text in TEXTS.items():
        for span in re.findall(r"`([^`]+)`", paragraphs(text)):
            yield document, re.sub(r"\s+", " ", span)


def lines() -> Iterator[tuple[str, str]]:
    """The lines of the shell blocks, without comments."""
    for document, text in TEXTS.items():
        for block in re.findall(r"^```bash\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            for line in block.splitlines():
                if command := re.sub(r"(^|\s)#.*$", "", line).strip():
                    yield document, command


def runs(named: str) -> list[list[str]]:
    """The modules that a command line runs by ``-m``, each with its arguments."""
    calls = [shlex.split(part) for part in re.split(r"&&|\|", named)]
    return [
        words[words.index("-m") + 1 :] for words in calls if "-m" in words and words[0] != "pytest"
    ]


def command_of(words: list[str]) -> tuple[Any, list[str], list[str]]:
    """The click command of ``palr bench ranking ...``, its name, and the arguments behind it."""
    command, rest = typer.main.get_command(COMMANDS[words[0]]), words[1:]
    name = [words[0]]
    while rest and hasattr(command, "commands") and not rest[0].startswith("-"):
        assert rest[0] in command.commands, f"{' '.join(name)} has no command {rest[0]!r}"
        command, rest = command.commands[rest[0]], rest[1:]
        name.append(command.name)
    return command, name, rest


def options_of(command: Any) -> set[str]:
    return {"--help"} | {name for parameter in command.params for name in parameter.opts}


def test_the_readme_is_short():
    assert len(README.read_text().splitlines()) <= 200


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_in_one_document(name):
    holders = [document for document, text in TEXTS.items() if f"<!-- {name}:begin -->" in text]
    assert len(holders) == 1


@pytest.mark.parametrize("document", TEXTS)
def test_the_generated_tables_are_current(document):
    assert with_tables(TEXTS[document]) == TEXTS[document], "run `python -m tests.readme`"
    for name in re.findall(r"<!-- ([\w-]+):begin -->", TEXTS[document]):
        assert name in TABLES


@pytest.mark.parametrize("name", CHARTS)
def test_the_charts_are_current(name):
    assert (RESULTS / name).read_text() == CHARTS[name](), "run `python -m tests.readme`"
    assert any(f"{name})" in text for text in TEXTS.values())


def test_every_record_is_documented():
    about = (RESULTS / "README.md").read_text()
    for path in RESULTS.iterdir():
        assert path.name == "README.md" or f"`{path.name}`" in about, path.name


def test_the_headline_compares_the_same_users():
    """PALR_v2 is measured against the SASRec that stands above it in the table."""
    for dataset in ("ml-1m", "beauty"):
        found = measured(dataset)
        (ranked,), (retriever,) = found["palr-v2"], found["sasrec"]
        assert ranked.n_users == retriever.n_users == max(r.n_users for r in found["blend"])
        gain = ranked.measures["NDCG@10"] - retriever.measures["NDCG@10"]
        assert ranked.measures["delta_NDCG@10"] == pytest.approx(gain, abs=2e-4)
        for model, published in PAPER[dataset].items():
            assert f"{published.hit_rate:.4f} / {published.ndcg:.4f}" in README.read_text(), model


def test_every_results_file_holds_one_data_set_measured_alike():
    for path in RESULTS.glob("retrieval-*.json"):
        records = read(path)
        assert {f"retrieval-{record.dataset}" for record in records} == {path.stem}
        assert {(record.protocol, record.part) for record in records} == {("leave-one-out", "test")}
        assert len({(record.n_users, record.data_checksum) for record in records}) == 1
        assert len({record.name for record in records}) == len(records)


def test_shipped_weights_were_measured_as_they_are_shipped():
    for path in (ROOT / "assets" / "weights").glob("*/*.json"):
        run = json.loads(path.read_text())
        results = read(RESULTS / f"retrieval-{run['dataset']}.json")
        (record,) = (r for r in results if (r.model, r.seed) == (run["model"], run["seed"]))
        assert record.training.weights_sha256 == run["weights_sha256"]
        for name in ("HR@10", "NDCG@10", "HR@50"):
            assert record.measures[name] == pytest.approx(run["test"][name], abs=1e-4)


def test_shipped_adapters_were_measured_as_they_are_shipped():
    found = sorted((ROOT / "assets" / "adapters").glob("*/record.json"))
    assert found
    for path in found:
        record = read_record(path.parent)
        assert sha256(path.parent / WEIGHTS) == record.weights_sha256
        assert (path.parent / WEIGHTS).stat().st_size <= 16 * 2**20
        stems = ("palr", "palr-order", "palr-steered")
        results = [path for stem in stems for path in results_of(stem)]
        rows = [row for path in results for row in read(path)]
        mine = [row for row in rows if row.dataset == record.instructions.dataset]
        assert record.weights_sha256 in {row.adapter_sha256 for row in mine}


def test_the_papers_column_names_its_source():
    assert PAPER_SOURCE in (RESULTS / "README.md").read_text()


def test_every_dataset_with_counts_is_documented_with_them():
    users, items, interactions = DATASETS["ml-1m"].expected
    assert f"{users:,} users / {items:,} items / {interactions:,} interactions" in ALL


@pytest.mark.parametrize("line", sorted({line for _, line in lines() if " -m " in line}))
def test_every_command_line_parses(line):
    for words in runs(line):
        if words[0] not in COMMANDS:
            check_module(words[0])
        elif "..." not in words:
            command, name, arguments = command_of(words)
            command.make_context(" ".join(name), list(arguments))


def test_every_command_in_the_text_exists():
    named = [span for _, span in spans() if " -m " in span]
    assert named
    for words in (words for span in named for words in runs(span)):
        if words[0] in COMMANDS:
            command, _, arguments = command_of(words)
            options = {word for word in arguments if word.startswith("-") and word != "-"}
            assert options <= options_of(command), words
        else:
            check_module(words[0])


def test_every_option_in_the_text_belongs_to_some_command():
    known: set[str] = set()
    todo = [typer.main.get_command(app) for app in COMMANDS.values()]
    while todo:
        command = todo.pop()
        known |= options_of(command)
        todo += getattr(command, "commands", {}).values()
    named = [shlex.split(span) for _, span in spans() if span.startswith("--")]
    assert named
    assert {word for words in named for word in words if word.startswith("--")} <= known


def check_module(name: str) -> None:
    assert importlib.util.find_spec(name), name


PATH = re.compile(r"\b(?:palr|finetune|tests|assets)/[\w./-]*\w/?")


def test_every_path_in_the_text_exists():
    """Patterns such as assets/adapters/D-v2 and assets/results/palr-<dataset>.json name several."""
    missing = []
    for document, text in TEXTS.items():
        for named in set(PATH.findall(re.sub(r"https?://\S+|\]\([^)]*\)", "", text))):
            pattern = re.sub(r"\bD-v", "ml-1m-v", named)
            if not (ROOT / pattern).exists() and not any(ROOT.glob(f"{pattern}*.json")):
                missing.append((document, named))
    assert {named for _, named in missing} == TO_BE_WRITTEN, missing


def test_every_name_in_the_text_exists():
    named = {span for _, span in spans() if re.fullmatch(r"(?:palr|finetune)(?:\.\w+)+", span)}
    assert named > {"palr.json"}
    for name in named - {"palr.json"}:
        assert has(name), name


def has(name: str) -> bool:
    """Whether a dotted name leads to a module, or to something in one."""
    module, *rest = name.split(".")
    found: Any = importlib.import_module(module)
    for at, part in enumerate(rest, 1):
        path = ".".join([module, *rest[:at]])
        if not hasattr(found, part) and not (
            hasattr(found, "__path__") and importlib.util.find_spec(path)
        ):
            return False
        found = getattr(found, part, None) or importlib.import_module(path)
    return True


def test_every_setting_in_the_text_exists():
    named = set(re.findall(r"\bPALR_[A-Z_]{3,}", ALL))
    assert named
    assert {name.removeprefix(PREFIX).lower() for name in named} <= set(Settings.model_fields)


def test_every_link_leads_somewhere():
    broken = []
    for document, text in TEXTS.items():
        for link in re.findall(r"\]\((?!http)([^)\s]+)\)", text):
            path, _, anchor = link.partition("#")
            target = (ROOT / document).parent / path if path else ROOT / document
            if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
                broken.append((document, link))
    assert broken == []


def anchors(text: str) -> set[str]:
    """What GitHub calls the headings of a document."""
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def test_the_checks_find_what_is_wrong():
    with pytest.raises(AssertionError, match="has no command"):
        command_of(["palr", "bench", "nothing"])
    command, _, _ = command_of(["palr", "bench", "ranking"])
    assert "--json" in options_of(command)
    assert "--jsn" not in options_of(command)
    line = "pip install x && A=1 python -m palr setup --verify"
    assert runs(line) == [["palr", "setup", "--verify"]]
    assert has("palr.ranking.rank_many")
    assert not has("palr.ranking.many.my_share")
    assert anchors("## Why not ...: `PALR_v1`") == {"why-not--palr_v1"}
    command, _, arguments = command_of(["finetune", "evaluate"])
    with pytest.raises(Exception, match="Missing parameter: dataset"):
        command.make_context("finetune evaluate", arguments)


def test_versions_agree():
    (newest, date), *_ = re.findall(
        r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)$", TEXTS["CHANGELOG.md"], re.MULTILINE
    )
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert newest == palr.__version__ == citation["version"]
    assert date == citation["date-released"]


def test_the_citation_is_what_the_format_asks_for():
    """The keys that the schema of CFF 1.2.0 requires, and the paper as GitHub shows it."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "version", "license"} <= set(citation)
    paper = citation["preferred-citation"]
    assert {"type", "title", "authors", "year", "url"} <= set(paper)
    assert PAPER_SOURCE.split(",")[0].split()[1] in paper["url"]


# https://huggingface.co/docs/hub/spaces-config-reference, with what each value must look like.
FRONT_MATTER = {
    "title": r".{1,60}",
    "emoji": r"\S{1,4}",
    "colorFrom": r"red|yellow|green|blue|indigo|purple|pink|gray",
    "colorTo": r"red|yellow|green|blue|indigo|purple|pink|gray",
    "sdk": r"gradio|docker|static",
    "sdk_version": r"\d+\.\d+\.\d+",
    "python_version": r"3(\.\d+){1,2}",
    "app_file": r"[\w/]+\.py",
    "app_port": r"\d+",
    "base_path": r"/.*",
    "suggested_hardware": r"cpu-basic|cpu-upgrade|zero-a10g|(t4|l4|l40s|a10g|a100)[\w-]*",
    "suggested_storage": r"small|medium|large",
    "fullWidth": r"True|False",
    "header": r"mini|default",
    "short_description": r".{1,60}",
    "models": r"\[.*\]",
    "datasets": r"\[.*\]",
    "tags": r"\[.*\]",
    "thumbnail": r"https://.*",
    "pinned": r"True|False",
    "hf_oauth": r"True|False",
    "hf_oauth_scopes": r"\[.*\]",
    "disable_embedding": r"True|False",
    "startup_duration_timeout": r"\d+[mh]?|\d+ ?(minutes?|hours?)",
    "custom_headers": r"\{.*\}",
    "preload_from_hub": r"\[.*\]",
    "license": r"[\w.-]+",
}
REQUIRED = {"title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "python_version"}
REQUIRED |= {"app_file", "license", "short_description", "startup_duration_timeout", "models"}


def front_matter() -> dict[str, object]:
    _, matter, _ = README.read_text().split("---\n", 2)
    return dict(yaml.safe_load(matter))


def test_the_front_matter_has_documented_keys_and_values():
    matter = front_matter()
    assert set(matter) >= REQUIRED
    for key, value in matter.items():
        assert key in FRONT_MATTER, f"Spaces know no {key}"
        assert re.fullmatch(FRONT_MATTER[key], str(value)), f"{key}: {value}"
    for key in ("models", "datasets", "tags"):
        for name in matter.get(key, []):
            assert re.fullmatch(r"[\w.-]+/[\w.-]+" if key != "tags" else r"[\w-]+", name)


def test_the_front_matter_agrees_with_the_repository():
    matter = front_matter()
    pinned = re.search(r"^gradio==(.+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert matter["sdk_version"] == pinned[1]
    assert (ROOT / str(matter["app_file"])).is_file()
    assert 'python_version = "3.11"' in (ROOT / "pyproject.toml").read_text()
    assert matter["python_version"] == "3.11"


def test_every_direct_dependency_is_pinned():
    for name in ("requirements.txt", "tests/requirements.txt"):
        for line in (ROOT / name).read_text().splitlines():
            assert re.fullmatch(r"[\w.-]+(\[[\w,]+\])?==[\w.]+", line), line
