"""A real OpenAI-compatible server on loopback: ``transformers serve`` over the embedded model."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from palr.llm.base import LLM
from palr.llm.http import HTTPLLM
from palr.llm.scripted import ScriptedLLM

BACKENDS_UNDER_TEST = ["transformers", "http", "scripted"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def server_url(palr_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base URL of the server, which is up and has loaded the model."""
    port = free_port()
    log = tmp_path_factory.mktemp("serve") / "log"
    command = [
        str(Path(sys.executable).with_name("transformers")),
        "serve",
        str(palr_home / "models" / "smollm2-135m"),
        *("--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32"),
    ]
    # Threads that wait for one another slow down many times over where the machine has other work.
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=env)
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                if httpx.get(f"http://127.0.0.1:{port}/health").is_success:
                    break
            except httpx.TransportError:
                pass
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"transformers serve did not come up:\n{log.read_text()}")
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(params=BACKENDS_UNDER_TEST)
def llm(request: pytest.FixtureRequest, palr_home: Path) -> LLM:
    """Every backend of `BACKENDS`, each over a real model where it takes one."""
    if request.param == "transformers":
        return request.getfixturevalue("smollm2")
    if request.param == "http":
        url = request.getfixturevalue("server_url")
        return HTTPLLM(url, str(palr_home / "models" / "smollm2-135m"))
    return ScriptedLLM(reply="The capital of France is Paris, a city on the river Seine.")
