"""The real app in a process of its own, for tests and for the scripts in this folder."""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RunningApp:
    """``with RunningApp(home, PALR_QUEUE="4") as app``: started, ready, and stopped at the end."""

    def __init__(self, home: Path, seconds: float = 180, **settings: str) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._seconds = seconds
        self._settings = settings
        self.log = Path(tempfile.mkstemp(prefix="palr-app-", suffix=".log")[1])
        self.last_words = ""  # what it wrote, once it has ended
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process and return at once; see `wait`."""
        given = {"PALR_HOME": str(self.home), "PALR_HOST": "127.0.0.1", "PALR_PORT": str(self.port)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "app.py")],
                cwd=ROOT,
                env={**os.environ, "PALR_LOG": "json", **given, **self._settings},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait(self, path: str = "/readyz") -> None:
        deadline = time.monotonic() + self._seconds
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}{path}", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise RuntimeError(f"the app did not come up:\n{self.output()[-4000:]}")

    def stop(self) -> float:
        """Ask the process to stop, as a container's host does; the seconds that it took."""
        begin = time.monotonic()
        self._process.terminate()
        self._process.wait(timeout=60)
        return time.monotonic() - begin

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(timeout=30)

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def rss(self) -> int:
        """Resident memory in bytes."""
        fields = Path(f"/proc/{self._process.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def _process(self) -> subprocess.Popen[bytes]:
        assert self.process is not None, "start() comes first"
        return self.process

    def __enter__(self) -> "RunningApp":
        self.start()
        try:
            self.wait()
        except BaseException:
            if self.running:
                self.kill()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.running:
            self.stop()
        self.last_words = self.output()
        self.log.unlink(missing_ok=True)
