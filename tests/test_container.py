"""The container without a container engine: its steps, taken one by one on this machine."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .load.app import RunningApp, free_port

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / ".ci" / "Dockerfile"


def steps() -> list[tuple[str, str]]:
    """Instructions and their arguments, in order."""
    text = re.sub(r"\\\n\s*", " ", DOCKERFILE.read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]


def copied() -> dict[str, str]:
    """What the image holds below /app: source in the repository by place there."""
    found = {}
    for name, arguments in steps():
        if name == "COPY":
            *sources, target = [a for a in arguments.split() if not a.startswith("--")]
            for source in sources:
                found[target if target.rstrip("./") else source] = source
    return found


def environment() -> dict[str, str]:
    arguments = next(arguments for name, arguments in steps() if name == "ENV")
    return dict(pair.split("=", 1) for pair in arguments.split())


def test_it_copies_what_there_is_and_nothing_of_the_tests() -> None:
    for source in copied().values():
        assert (ROOT / source).exists(), source
    assert not any(source.startswith(("tests", ".")) for source in copied().values())


def test_it_runs_as_a_plain_user_and_starts_the_app() -> None:
    names = [name for name, _ in steps()]
    user = next(arguments for name, arguments in steps() if name == "USER")
    assert user not in ("root", "0")
    assert names.index("USER") > max(n for n, name in enumerate(names) if name == "RUN")
    command = next(arguments for name, arguments in steps() if name == "CMD")
    assert json.loads(command) == ["python", "app.py"]
    assert ("EXPOSE", "7860") in steps()


@pytest.mark.long
def test_the_image_starts_for_a_plain_user_on_a_read_only_file_system(
    palr_home: Path, tmp_path: Path
) -> None:
    namespace = ["unshare", "--mount"]
    if os.getuid() or subprocess.run([*namespace, "true"], check=False).returncode:
        pytest.skip("this machine grants no mounts")
    plain = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"]
    if subprocess.run([*plain, sys.executable, "-c", "import numpy"], check=False).returncode:
        pytest.skip("this Python is closed to other users")
    # pytest's own folders are closed to other users.
    base = Path("/tmp") / f"palr-image-{os.getpid()}"
    image, data = base / "app", base / "data"
    try:
        image.mkdir(parents=True)
        for target, source in copied().items():
            here, there = ROOT / source, image / target
            shutil.copytree(here, there) if here.is_dir() else shutil.copy(here, there)
        shutil.copytree(palr_home, data / "palr", ignore=shutil.ignore_patterns("weights"))
        shutil.copy(data / "palr" / "catalog.db", data / "x")
        for path in (data, *data.rglob("*")):
            os.chown(path, 1000, 1000)
        port = free_port()
        given = {**environment(), "PALR_HOME": str(data / "palr"), "HF_HOME": str(data / "hf")}
        given |= {
            "PALR_PORT": str(port),
            "PALR_LLM_BACKEND": "scripted",
            "PATH": os.environ["PATH"],
        }
        script = (
            f"mount --bind {data} {data}; mount -t tmpfs tmpfs /dev/shm; mkdir /dev/shm/tmp\n"
            "chmod 1777 /dev/shm/tmp; mount -o remount,bind,ro /\n"
            f"cd {image}; touch x 2>/dev/null && exit 9\n"
            f"exec env -i {' '.join(f'{k}={v}' for k, v in given.items())} TMPDIR=/dev/shm/tmp "
            f"setpriv --reuid=1000 --regid=1000 --clear-groups {sys.executable} app.py"
        )
        app = RunningApp(data)
        app.port, app.url = port, f"http://127.0.0.1:{port}"
        with app.log.open("ab") as log:
            app.process = subprocess.Popen(
                [*namespace, "sh", "-ec", script], stdout=log, stderr=subprocess.STDOUT
            )
        try:
            app.wait()
            assert app.stop() < 30
            assert app.process.returncode == 0, app.output()
            assert "Traceback" not in app.output()
        finally:
            if app.running:
                app.kill()
            app.log.unlink()
    finally:
        shutil.rmtree(base)
