"""What the README says is so: its tables are generated, its commands exist."""

import json
import re
import subprocess
import sys

import pytest
import yaml

from finetune.training.record import read_record, sha256
from palr.data.datasets import DATASETS
from palr.evaluation.records import read
from palr.evaluation.report import PAPER_SOURCE
from palr.llm.adapters import WEIGHTS
from tests.readme import README, RESULTS, ROOT, TABLES, results_of, with_tables


def commands() -> list[list[str]]:
    """Arguments of each ``python -m palr`` line of the README."""
    lines = re.findall(r"^python -m palr (.*?)(?: +#.*)?$", README.read_text(), re.MULTILINE)
    return [line.split() for line in lines]


def test_the_generated_tables_are_current():
    assert all(f"<!-- {name}:begin -->" in README.read_text() for name in TABLES)
    assert with_tables(README.read_text()) == README.read_text(), "run `python -m tests.readme`"


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
        results = [*results_of("palr"), *results_of("palr-order")]
        rows = [row for path in results for row in read(path)]
        mine = [row for row in rows if row.dataset == record.instructions.dataset]
        assert record.weights_sha256 in {row.adapter_sha256 for row in mine}


def test_the_papers_column_names_its_source():
    assert PAPER_SOURCE in README.read_text()


def test_every_dataset_with_counts_is_documented_with_them():
    users, items, interactions = DATASETS["ml-1m"].expected
    assert f"{users:,} users / {items:,} items / {interactions:,} interactions" in (
        README.read_text()
    )


@pytest.mark.parametrize("arguments", commands(), ids=" ".join)
def test_every_command_of_the_readme_exists(arguments):
    name = arguments[:2] if arguments[0] in ("data", "bench") else arguments[:1]
    result = subprocess.run(
        [sys.executable, "-m", "palr", *name, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    for option in (a for a in arguments if a.startswith("--")):
        assert option in result.stdout


def test_every_linked_file_exists():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README.read_text()):
        assert (ROOT / target).exists(), target


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
