"""A healthy home, and what is said of an unhealthy one."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from palr.app.doctor import Finding, examine
from palr.app.runtime import Runtime
from palr.llm.adapters import SHIPPED
from palr.settings import Settings

ROOT = Path(__file__).parents[2]


def by_name(settings: Settings) -> dict[str, Finding]:
    return {finding.about: finding for finding in examine(settings)}


def test_a_prepared_home_needs_nothing(settings: Settings) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    findings = by_name(settings.model_copy(update={"port": port, "host": "127.0.0.1"}))
    assert [f for f in findings.values() if f.remedy] == []
    assert "items" in findings["movies"].found
    assert "semantic" in findings["beauty"].found
    assert findings["backend"].found == "transformers: a model in this process"


def test_the_adapter_that_ranks_is_named_for_each_domain(settings: Settings) -> None:
    findings = by_name(settings)
    runtime = Runtime(settings)
    for domain in runtime.domains:
        name = runtime.default_adapter(domain.key)
        assert findings[f"adapter, {domain.key}"] == Finding(
            f"adapter, {domain.key}", f"PALR_v2 ({name})"
        )
    other = by_name(settings.model_copy(update={"llm": "no/such-model"}))
    assert "zero-shot" in other["adapter, movies"].found


def test_an_adapter_of_the_settings_ranks_everywhere(settings: Settings) -> None:
    folder = SHIPPED / "ml-1m-v1"
    findings = by_name(settings.model_copy(update={"adapter": str(folder)}))
    assert findings["adapter"] == Finding("adapter", f"{folder}, a folder")
    assert "adapter, movies" not in findings
    served = {"adapter": "mine", "llm_backend": "http", "llm_url": "http://127.0.0.1:9/v1"}
    found = by_name(settings.model_copy(update=served))["adapter"]
    assert found == Finding("adapter", "mine, which the server must run")


def test_a_model_that_is_no_folder_is_named(settings: Settings, tmp_path: Path) -> None:
    missing = str(tmp_path / "not-there")
    found = by_name(settings.model_copy(update={"llm": missing}))["language model"]
    assert found.found == f"{missing} is no folder"
    assert "name a folder with the model" in found.remedy


def test_a_damaged_note_of_an_adapter_is_named(settings: Settings, tmp_path: Path) -> None:
    for part in ("models", "downloads", "catalog.db"):
        (tmp_path / part).symlink_to(settings.home / part)
    folder = tmp_path / "adapters" / "mine"
    folder.mkdir(parents=True)
    (folder / "palr.json").write_text("{")
    found = by_name(settings.model_copy(update={"home": tmp_path}))["adapter, movies"]
    assert str(folder / "palr.json") in found.remedy


def test_an_empty_home_is_told_what_to_run(tmp_path: Path) -> None:
    findings = by_name(Settings(home=tmp_path / "new"))
    assert findings["setup"].remedy == "python -m palr setup"
    assert "SmolLM2" in findings["setup"].found
    assert findings["movies"].remedy
    assert not (tmp_path / "new").exists()  # looking changes nothing


def test_a_server_that_is_down_is_named(settings: Settings) -> None:
    update = {"llm_backend": "http", "llm_url": "http://127.0.0.1:9/v1", "llm": "x"}
    assert "start it" in by_name(settings.model_copy(update=update))["language model"].remedy


def test_a_folder_of_pickles_is_no_model(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04")
    found = by_name(settings.model_copy(update={"llm": str(tmp_path)}))["language model"]
    assert "no safetensors" in found.found
    assert found.remedy


def test_a_model_out_of_reach_and_a_port_in_use(settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        update = {"llm": "no/such-model", "host": "127.0.0.1", "port": taken.getsockname()[1]}
        findings = by_name(settings.model_copy(update=update))
    assert "out of reach" in findings["language model"].remedy
    assert "PALR_PORT=" in findings["port"].remedy


@pytest.mark.parametrize(("url", "code"), [("sqlite:////nowhere/x.db", 1)])
def test_the_exit_code_tells(palr_home: Path, url: str, code: int) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "palr", "doctor"],
        cwd=ROOT,
        env={**os.environ, "PALR_HOME": str(palr_home), "PALR_DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == code, result.stderr
    assert "fix  movies" in result.stdout
    assert "-> python -m palr setup" in result.stdout


@pytest.mark.parametrize(
    ("update", "about", "found", "remedy"),
    [
        ({"retriever": "magic"}, "retriever", "no 'magic'", "PALR_RETRIEVER to one of: auto, "),
        ({"device": "abacus"}, "device", "abacus cannot be used", "set PALR_DEVICE to auto"),
        ({"device": "cuda:99"}, "device", "cuda:99 cannot be used", "set PALR_DEVICE to auto"),
        ({"data": Path("/no/such")}, "data", "/no/such does not exist", "set PALR_DATA"),
        ({"home": Path(__file__)}, "home", "is no folder", "set PALR_HOME"),
        ({"host": "no such host"}, "port", "PALR_HOST=no such host is no", "0.0.0.0 means all"),
        ({"host": "fe80::zz"}, "port", "PALR_HOST=fe80::zz is no address", "0.0.0.0 means all"),
    ],
)
def test_what_a_setting_names_in_vain_is_found(
    settings: Settings, update: dict[str, object], about: str, found: str, remedy: str
) -> None:
    finding = by_name(settings.model_copy(update={"llm_backend": "scripted", **update}))[about]
    assert found in finding.found
    assert remedy in finding.remedy
