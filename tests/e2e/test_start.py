"""How the app starts, or says why it cannot."""

import os
import socket
import subprocess
import sys
from pathlib import Path

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


def test_a_misspelt_setting_is_said(tmp_path: Path) -> None:
    result = start(PALR_HOME=str(tmp_path), PALR_ADAPTOR="x")
    assert result.returncode == 2
    assert "did you mean PALR_ADAPTER?" in result.stderr
    assert "Traceback" not in result.stderr
