"""The real nginx before an app, with the configuration that the part on hosting gives."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from .app import ROOT, free_port

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
_HEADERS = re.compile(r" *proxy_(set_header|http_version)[^\n]*\n")


def documented() -> str:
    """The server block of .ci/README.md."""
    text = (ROOT / ".ci" / "README.md").read_text("utf-8")
    return re.findall(r"```nginx\n(.*?)```", text, re.DOTALL)[0]


def bare() -> str:
    """It without any of what it sets: nginx as it is."""
    return _HEADERS.sub("", documented())


@contextmanager
def nginx(server: str, app_port: int, folder: Path) -> Iterator[str]:
    """A server block before the app, on a port of its own; gives the address of its root."""
    assert NGINX, "a test that needs nginx is skipped without it"
    port = free_port()
    server = server.replace("listen 80;", f"listen 127.0.0.1:{port};")
    server = server.replace("127.0.0.1:7860", f"127.0.0.1:{app_port}")
    temporary = "\n".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""
    conf = folder / "nginx.conf"
    conf.write_text(
        f"{user} daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{ access_log off;\n{temporary}\n{server}}}\n"
    )
    log = folder / "error.log"
    process = subprocess.Popen([NGINX, "-p", folder, "-c", conf, "-e", log])
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(100):
            try:
                httpx.get(url)
                break
            except httpx.ConnectError:
                assert process.poll() is None, log.read_text()
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=20)
