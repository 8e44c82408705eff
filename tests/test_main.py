"""The command line as a person runs it: a new process, its output and its exit code."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from finetune.__main__ import app as finetune_app
from palr.__main__ import app as palr_app
from palr.app.setup import EMBEDDED
from palr.runs.files import read_trace

ROOT = Path(__file__).parents[1]
APPS = {"palr": palr_app, "finetune": finetune_app}


def commands() -> list[tuple[str, ...]]:
    """Every command and group of both command lines, as it is typed."""
    found = [((name,), typer.main.get_command(app)) for name, app in APPS.items()]
    for words, command in found:  # grows as groups are met
        within = getattr(command, "commands", {})
        found += [((*words, name), below) for name, below in within.items()]
    return [words for words, _ in found]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_explains_itself(words):
    result = CliRunner().invoke(APPS[words[0]], [*words[1:], "--help"])
    assert result.exit_code == 0, result.output
    usage, *about = result.output.splitlines()
    assert usage.startswith("Usage: ")
    assert f"{' '.join(('', *words[1:]))} " in usage
    assert len(about) > 3


def palr(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "palr", *arguments],
        cwd=ROOT,
        env={**os.environ, "PALR_HOME": str(home), "PALR_LLM_BACKEND": "scripted", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


def test_recommend_prints_every_stage(palr_home):
    picks = ["--pick", "Toy Story (1995)", "--pick", "aladdin"]
    result = palr(palr_home, "recommend", *picks)
    assert result.returncode == 0, result.stderr
    for heading in ("History (2)", "Profile (", "Candidates (50 by ", "Recommendations (scripted"):
        assert heading in result.stdout
    assert "zero-shot" in result.stdout
    assert "Aladdin (1992)" in result.stdout


def test_json_is_the_trace_of_the_default_model(palr_home):
    picks = ["--pick", "Toy Story (1995)", "--pick", "Aladdin"]
    result = palr(palr_home, "recommend", *picks, "--json", PALR_LLM_BACKEND="transformers")
    assert result.returncode == 0, result.stderr
    assert "\r" not in result.stderr  # no bar of the loader's
    assert "%|" not in result.stderr
    trace = read_trace(result.stdout).trace
    assert (trace.llm, trace.mode) == ("SmolLM2-135M-Instruct + ml-1m-v2", "relevance")
    assert [item.label for item in trace.picks] == ["Toy Story (1995)", "Aladdin (1992)"]
    assert len({ranked.item.id for ranked in trace.ranking.items}) == 10
    assert set(json.loads(result.stdout)["trace"]["seconds"]) >= {
        "profile",
        "candidates",
        "ranking",
    }


def test_read_prints_how_a_wish_was_read(palr_home):
    wish = "funny films from the forties, but no musicals"
    result = palr(palr_home, "read", wish, "--domain", "movies", "--json")
    assert result.returncode == 0, result.stderr
    read = json.loads(result.stdout)
    assert list(read)[:4] == ["more", "less", "years", "unread"]
    assert [read[name] for name in list(read)[:4]] == [["comedy"], ["musical"], [1940, 1949], []]

    result = palr(palr_home, "read", wish)
    assert result.returncode == 0, result.stderr
    for line in (
        "more       comedy: funny",
        "less       musical: musicals",
        "years      1940-1949",
    ):
        assert line in result.stdout


def test_a_wish_that_is_too_long_is_one_line(palr_home):
    result = palr(palr_home, "read", "a" * 5001)
    assert (result.returncode, result.stdout) == (2, "")
    assert "palr: the wish has 5,001 characters: shorten it to 5,000\n" in result.stderr


def test_a_saved_trace_is_replayed_and_what_differs_is_said(palr_home, tmp_path):
    file = tmp_path / "run.json"
    picks = ["--pick", "Toy Story (1995)", "--pick", "Aladdin"]
    saved = palr(palr_home, "recommend", *picks, "--candidates", "20", "-k", "5", "--json")
    file.write_text(saved.stdout)
    same = palr(palr_home, "replay", str(file))
    assert same.returncode == 0, same.stderr
    assert same.stdout.splitlines()[-1] == "ranking: the same"

    trace = read_trace(saved.stdout)
    forged = replace(trace.trace.ranking, items=trace.trace.ranking.items[::-1])
    other = replace(trace, trace=replace(trace.trace, ranking=forged))
    file.write_text(other.to_json())
    differs = palr(palr_home, "replay", str(file))
    assert differs.returncode == 1
    assert "candidates: the same\n" in differs.stdout
    best, worst = (trace.trace.ranking.items[n].item.label for n in (0, -1))
    assert f"ranking: differs\n  place 1: {worst}, now {best}\n" in differs.stdout


def test_the_report_of_a_run_is_markdown(palr_home):
    result = palr(palr_home, "recommend", "--pick", "Aladdin", "--markdown")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("# PALR Studio, run ")


def test_beauty_is_served_by_the_starter_catalog(palr_home):
    arguments = ["recommend", "--domain", "beauty", "--pick", "opi nail lacquer, big apple red"]
    result = palr(palr_home, *arguments)
    assert result.returncode == 0, result.stderr
    assert "50 by semantic" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["recommend", "--pick", "Toy Stroy (1995)"], "did you mean Toy Story (1995)"),
        (["recommend", "--domain", "books", "--pick", "x"], "unknown domain 'books'"),
        (["recommend", "--domain", "beauty", "--pick", "Toy Story (1995)"], "no product is called"),
        (["recommend", "--pick", "💄 <b>';--"], "no movie is called"),
        (["recommend", "--pick", "Aladdin", "--retriever", "magic"], "unknown retriever 'magic'"),
        (["replay", "no-such-file.json"], "cannot read no-such-file.json: No such file"),
        (["replay", "README.md"], "the file is no trace"),
        (["data", "stats", "ml-9m"], "unknown data set 'ml-9m'"),
        (["data", "stats", "ml-1m", "--from", "no-such-folder"], "ml-1m.zip"),
        (["train-retriever", "popularity", "--dataset", "ml-100k"], "cannot be trained"),
        (["evaluate", "--dataset", "ml-100k", "--model", "magic"], "unknown retriever 'magic'"),
        (["evaluate", "--dataset", "beauty-starter", "--model", "popularity"], "no interactions"),
        (["compare", "--dataset", "ml-100k", "no-such", "model"], "no ranks of no-such are kept"),
    ],
)
def test_bad_input_is_one_clear_line(palr_home, arguments, message):
    result = palr(palr_home, *arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_models_are_evaluated_and_compared(palr_home, tmp_path):
    database = {"PALR_DATABASE_URL": f"sqlite:///{palr_home / 'catalog.db'}"}
    folder = tmp_path / "out"
    shutil.copytree(ROOT / "assets" / "weights" / "ml-100k", folder / "ml-100k")
    models = ["--model", "sasrec", "popularity", "--weights", str(folder)]
    arguments = ["evaluate", "--dataset", "ml-100k", *models, "--baseline", "popularity"]
    result = palr(tmp_path, *arguments, "--json", "-", **database)
    assert result.returncode == 0, result.stderr
    sasrec, popularity = json.loads(result.stdout)
    run = json.loads((folder / "ml-100k" / "sasrec.json").read_text())
    for name in ("HR@10", "NDCG@10", "HR@50"):
        assert sasrec[name] == pytest.approx(run["test"][name])
        low, high = sasrec["intervals"][name]
        assert low < sasrec[name] < high
    assert (sasrec["n_users"], popularity["model"], popularity["seed"]) == (943, "popularity", 0)
    assert sasrec["p_value"] < 0.01
    assert sasrec["training"]["command"] == run["command"]
    assert str(tmp_path) not in result.stdout
    assert "943" in result.stderr  # progress

    compared = palr(tmp_path, "compare", "--dataset", "ml-100k", "sasrec", "popularity", **database)
    assert compared.returncode == 0, compared.stderr
    assert compared.stdout.startswith("sasrec-0 over popularity-0, 943 users")


def test_repeated_options_and_a_file_of_records(palr_home, tmp_path):
    models = ["--model", "popularity", "--model", "popularity"]
    file = tmp_path / "records.json"
    result = palr(
        tmp_path,
        *("evaluate", "--dataset", "ml-100k", *models, "--json", str(file)),
        PALR_DATABASE_URL=f"sqlite:///{palr_home / 'catalog.db'}",
    )
    assert result.returncode == 0, result.stderr
    assert "popularity  0     0.0838 [" in result.stdout
    assert [record["model"] for record in json.loads(file.read_text())] == ["popularity"]


def test_an_unknown_setting_is_refused(palr_home):
    result = palr(palr_home, "data", "list", PALR_RETREIVER="sasrec")
    assert result.returncode == 2
    assert "did you mean PALR_RETRIEVER?" in result.stderr


def test_an_unknown_backend_is_refused_and_the_known_ones_are_named(palr_home):
    result = palr(palr_home, "data", "list", PALR_LLM_BACKEND="htp")
    assert result.returncode == 2
    assert "PALR_LLM_BACKEND: unknown backend 'htp'; choose one of: transf" in result.stderr


def test_stats_of_the_official_data_are_the_papers(palr_home, official_data):
    expected = {
        "ml-1m": "6,040 users / 3,416 items / 999,611 interactions",
        "beauty": "22,363 users / 12,101 items / 198,502 interactions",
    }
    for dataset, line in expected.items():
        result = palr(palr_home, "data", "stats", dataset, "--from", str(official_data))
        assert result.stdout.strip() == line, result.stderr


def test_stats_are_of_what_is_installed_and_nothing_is_fetched(tmp_path):
    files = tmp_path / "ml-latest-small"
    files.mkdir()
    rows = [f"{user},{film},4.0,{user * film}" for user in range(1, 7) for film in range(1, 6)]
    films = [f"{film},Film {film} (1995),Drama" for film in range(1, 6)]
    (files / "ratings.csv").write_text("\n".join(["userId,movieId,rating,timestamp", *rows]))
    (files / "movies.csv").write_text("\n".join(["movieId,title,genres", *films]))
    home = tmp_path / "home"
    installed = palr(home, "data", "install", "ml-latest-small", "--from", str(files))
    assert installed.returncode == 0, installed.stderr
    shutil.rmtree(files)
    offline = {"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
    result = palr(home, "data", "stats", "ml-latest-small", **offline)
    assert result.stdout == "6 users / 5 items / 30 interactions\n", result.stderr
    assert not (home / "downloads").exists()


def test_an_installed_data_set_replaces_the_default_until_it_is_removed(tmp_path, official_data):
    source = ["--from", str(official_data)]
    assert palr(tmp_path, "data", "install", "ml-1m", *source).returncode == 0

    def here(*arguments: str) -> str:  # without a second process
        given = {"PALR_HOME": str(tmp_path)}
        result = CliRunner().invoke(palr_app, ["data", *arguments], env=given)
        assert result.exit_code == 0
        return result.output

    assert "ml-1m           installed" in here("list")
    here("remove", "ml-1m")
    assert "ml-1m           -" in here("list")


def test_setup_leaves_nothing_for_the_first_visitor_to_wait_for(palr_home, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    for part in ("models", "downloads"):
        (home / part).symlink_to(palr_home / part)
    words = shutil.ignore_patterns("ml-100k-keywords-*")  # a second to make anew; the others more
    shutil.copytree(palr_home / "embeddings", home / "embeddings", ignore=words)
    result = palr(home, "setup")
    assert result.returncode == 0, result.stderr
    embedded = {path.name.rsplit("-", 1)[0] for path in (home / "embeddings").iterdir()}
    assert embedded >= {*EMBEDDED, *(f"{name}-keywords" for name in EMBEDDED)}
    assert "Embedding" in result.stderr
    assert "ml-100k: catalog: " in result.stderr
    assert "\r" not in result.stderr  # no bar is drawn into a log
    assert "%|" not in result.stderr
    given = {"PALR_HOME": str(home), "PALR_LLM_BACKEND": "scripted"}
    again = CliRunner().invoke(palr_app, ["setup"], env=given)
    assert again.exit_code == 0
    assert "Embedding" not in again.output


def test_a_home_that_cannot_be_written_names_the_remedy(tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("")
    result = palr(blocker / "home", "setup")
    assert result.returncode == 2
    assert "PALR_HOME" in result.stderr
