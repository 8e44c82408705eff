"""A small server on loopback that fails in a given way, and a client whose waits take no time."""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from palr.llm.http import HTTPLLM
from palr.llm.resilience import Patience

MODELS = b'{"data": [{"id": "m", "max_model_len": 2048}]}'
DONE = b"data: [DONE]\n\n"

Answer = Callable[[BaseHTTPRequestHandler], None]


def event(text: str, finish: str | None = None) -> bytes:
    chunk = {"choices": [{"delta": {"content": text}, "finish_reason": finish}]}
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


def replies(body: bytes, status: int = 200, **headers: str) -> Answer:
    """A whole answer; ``retry_after="3"`` becomes the header Retry-After."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response_only(status)
        handler.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def begins(body: bytes, then: Answer) -> Answer:
    """The beginning of a chunked answer; what comes ``then`` decides how it goes on."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        if body:  # an empty chunk would end the answer
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(body), body))
        then(handler)

    return answer


def dies(handler: BaseHTTPRequestHandler) -> None:
    """Reset the connection, as the kernel does for a process that was killed."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def hangs(handler: BaseHTTPRequestHandler) -> None:
    """Say nothing until the client leaves."""
    handler.connection.settimeout(20)
    assert handler.connection.recv(1) == b""


def dribbles(handler: BaseHTTPRequestHandler) -> None:
    """Keep the connection alive, and never come to the point."""
    while True:
        handler.wfile.write(b"1\r\n:\r\n")
        time.sleep(0.02)


PARIS = replies(event("Par") + event("is") + DONE)
LISTS = replies(MODELS)


@dataclass
class Server:
    url: str
    posts: int = 0  # answers asked for
    gone: threading.Event = field(default_factory=threading.Event)  # an answer's connection ended


@contextmanager
def server(*answers: Answer, models: Answer = LISTS, port: int = 0) -> Iterator[Server]:
    """The n-th request for an answer meets the n-th of ``answers``, or the last one."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            models(self)

        def do_POST(self) -> None:
            self.asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                answer = answers[min(state.posts, len(answers) - 1)]
                state.posts += 1
            try:
                answer(self)
            except OSError:
                pass  # the client left
            finally:
                state.gone.set()

        def log_message(self, *_: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    httpd.daemon_threads = True
    state = Server(f"http://127.0.0.1:{httpd.server_port}/v1")
    threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield state
    finally:
        httpd.shutdown()
        httpd.server_close()


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def connect(to: Server, time: Time | None = None, **patience: float) -> HTTPLLM:
    """A client without randomness, whose waits take no time."""
    time = time or Time()
    bounds = Patience(**patience)  # type: ignore[arg-type]
    return HTTPLLM(
        to.url, "m", patience=bounds, clock=time.clock, sleep=time.sleep, jitter=lambda: 1.0
    )


def ask(llm: HTTPLLM) -> str:
    return "".join(filter(None, llm.generate("What is the capital of France?", max_tokens=5)))
