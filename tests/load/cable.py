"""A cable between a browser and the server, which a test can cut, and one that splits in two."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

CHUNK = 65536


class Cable:
    """``with Cable(port) as cable``: relays ``cable.port`` to ``port`` of this machine.

    Attributes:
        port: Where it listens.
        route: Which port a connection goes to, by the first bytes that are sent over it.
    """

    def __init__(self, port: int, route: Callable[[bytes], int] | None = None) -> None:
        self.route = route or (lambda head: port)
        self._flows = threading.Event()
        self._flows.set()
        self._ends: list[socket.socket] = []
        self._held_from = b""
        self.port = 0
        self._listener = self._bound()
        self.port = int(self._listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def join(self) -> None:
        """Listen, for the first time or again."""
        if self._listener.fileno() < 0:
            self._listener = self._bound()
        self._listener.listen()
        self._flows.set()
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def hold(self, after: bytes) -> None:
        """Let nothing through from the server any more once these bytes were sent to it."""
        self._held_from = after

    def wait_held(self, seconds: float = 20) -> None:
        """Until `hold` holds something."""
        deadline = time.monotonic() + seconds
        while self._flows.is_set():
            assert time.monotonic() < deadline, "nothing was sent that should be held"
            time.sleep(0.02)

    def cut(self) -> None:
        """End all connections, and refuse new ones."""
        for end in (self._listener, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._ends.clear()
        self._held_from = b""
        self._flows.set()

    def _bound(self) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        return listener

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                end, _ = listener.accept()
                self._ends.append(end)
                threading.Thread(target=self._relay, args=(end,), daemon=True).start()

    def _relay(self, browser: socket.socket) -> None:
        with suppress(OSError):
            # One request a connection, so that each is routed.
            head = browser.recv(CHUNK).replace(b"Connection: keep-alive", b"Connection: close", 1)
            server = socket.create_connection(("127.0.0.1", self.route(head)))
            self._ends.append(server)
            answers = threading.Thread(target=self._pass_on, args=(server, browser), daemon=True)
            answers.start()
            self._pass_on(browser, server, head)

    def _pass_on(self, source: socket.socket, target: socket.socket, content: bytes = b"") -> None:
        from_browser = bool(content)
        with suppress(OSError):
            while content := content or source.recv(CHUNK):
                if from_browser and self._held_from and self._held_from in content:
                    self._flows.clear()
                if not from_browser:
                    self._flows.wait()
                target.sendall(content)
                content = b""
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> "Cable":
        self.join()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cut()
