"""Against a real server on this machine."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from palr.data.download import download
from palr.errors import DataError

CONTENT = bytes(range(256)) * 4096


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: 5000 if self.path == "/short" else None])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    httpd = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


def test_a_file_arrives_whole_and_is_reported(server: str, tmp_path: Path) -> None:
    steps: list[tuple[str, int, int, str]] = []
    target = download(f"{server}/file", tmp_path / "new" / "ml-1m.zip", lambda *s: steps.append(s))
    assert target.read_bytes() == CONTENT
    assert steps[-1] == ("ml-1m.zip", len(CONTENT), len(CONTENT), "B")
    assert [step for step in steps if step[1] == step[2]] == [steps[-1]]


def test_what_is_there_is_not_fetched_again(server: str, tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("mine")
    assert download(f"{server}/missing", target).read_text() == "mine"


def test_a_short_answer_leaves_no_file_and_the_next_try_succeeds(
    server: str, tmp_path: Path
) -> None:
    target = tmp_path / "file"
    with pytest.raises(DataError, match=f"came in short: 5000 of {len(CONTENT)} bytes"):
        download(f"{server}/short", target)
    assert not target.exists()
    assert download(f"{server}/file", target).read_bytes() == CONTENT


def test_what_a_killed_download_left_is_removed(server: str, tmp_path: Path) -> None:
    (tmp_path / "file.0a1b2c3d.tmp").write_text("half of")
    (tmp_path / "other.0a1b2c3d.tmp").write_text("another file's")
    download(f"{server}/file", tmp_path / "file")
    left = {path.name for path in tmp_path.glob("*.tmp")}
    assert left == {"other.0a1b2c3d.tmp"}


def test_a_refusal_is_named(server: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"/missing cannot be downloaded \(Not Found\)"):
        download(f"{server}/missing", tmp_path / "file")


def test_an_unwritable_folder_is_named(server: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be written .*set PALR_HOME"):
        download(f"{server}/file", tmp_path / "file" / "below" / "x")
