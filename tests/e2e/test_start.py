"""How the app starts, or says why it cannot."""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from app import require_free_port
from palr.errors import SettingsError
from palr.settings import Settings

from ..load.app import RunningApp
from .conftest import ROOT


def start(**settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "app.py")],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_port_in_use_is_said_before_anything_is_loaded(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        home = tmp_path / "home"
        result = start(PALR_HOST="127.0.0.1", PALR_PORT=str(port), PALR_HOME=str(home))
    assert result.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}" in result.stderr
    assert f"PALR_PORT={port + 1}" in result.stderr
    assert "Traceback" not in result.stderr
    assert not home.exists()


@pytest.mark.parametrize("host", ["http://localhost", "localhost:80", "192.0.2.1", "a b"])
def test_a_host_that_is_no_address_of_this_machine_is_said(host: str) -> None:
    with pytest.raises(SettingsError, match="PALR_HOST takes an address of this machine"):
        require_free_port(Settings(host=host, port=0))


@pytest.mark.long
@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("::", "http://[::1]"),
        ("[::]", "http://[::1]"),
        ("::1", "http://[::1]"),
        ("0.0.0.0", "http://localhost"),
        ("localhost", "http://localhost"),
    ],
)
def test_the_address_that_is_printed_answers(host: str, address: str, palr_home: Path) -> None:
    app = RunningApp(palr_home, PALR_LLM_BACKEND="scripted", PALR_HOST=host)
    app.start()
    try:
        deadline = time.monotonic() + 120
        printed = f"PALR Studio is at {address}:{app.port}\n"
        while printed not in app.output():
            assert app.running, app.output()
            assert time.monotonic() < deadline, app.output()
            time.sleep(0.2)
        url = f"{address}:{app.port}/"
        transport = httpx.HTTPTransport(retries=5)  # it is printed just before it listens
        with httpx.Client(transport=transport) as client:
            assert "gradio_config" in client.get(url).text
    finally:
        app.kill()
        app.log.unlink()


def test_a_misspelt_setting_is_said(tmp_path: Path) -> None:
    result = start(PALR_HOME=str(tmp_path), PALR_ADAPTOR="x")
    assert result.returncode == 2
    assert "did you mean PALR_ADAPTER?" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.long  # every other test of the page starts it too, though not shut off
def test_with_the_cache_and_no_network_it_starts_and_recommends(palr_home: Path) -> None:
    isolated = ["unshare", "--map-root-user", "--net"]
    if subprocess.run([*isolated, "true"], capture_output=True).returncode:
        pytest.skip("this machine grants no network namespace of its own")
    result = subprocess.run(
        [*isolated, sys.executable, str(ROOT / "tests" / "e2e" / "offline.py")],
        cwd=ROOT,
        env={**os.environ, "PALR_HOME": str(palr_home)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Recommendations (SmolLM2-135M-Instruct" in result.stdout
    seconds = re.search(r"page after ([\d.]+) s", result.stdout)
    assert seconds
    print(f"\nusable page after {seconds[1]} s without a network")
    assert float(seconds[1]) <= 25
