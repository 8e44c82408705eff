"""How the app starts, or says why it cannot."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

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


@pytest.mark.long
def test_kubernetes_service_links_do_not_stop_it(tmp_path: Path) -> None:
    links = {"PALR_SERVICE_HOST": "10.0.0.1", "PALR_PORT": "tcp://10.0.0.1:7860"}
    result = start(PALR_HOME=str(tmp_path), PALR_HOST="198.51.100.7", **links)
    assert result.stderr == (
        "PALR Studio cannot start: PALR_HOST=198.51.100.7 is no address of this machine; it takes "
        "one without a port, and 0.0.0.0 means all\n"
    )


def test_ctrl_c_while_it_starts_is_one_line(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", str(ROOT / "app.py")],
        env={**os.environ, "PALR_HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:  # names each module once it is imported
        if line.rstrip().endswith("palr.domains"):
            break
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    said = [line for line in told.splitlines() if not line.startswith("import time:")]
    assert (said, process.returncode) == (["PALR Studio: interrupted"], 130)


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
