"""Entry point, for people (``python app.py``) and for Hugging Face Spaces alike."""

import errno
import os
import socket
import sys

from palr.app import setup
from palr.app.runtime import Runtime
from palr.data.progress import bars_on_terminals_only
from palr.errors import PalrError, SettingsError
from palr.llm import get_backend
from palr.serve import process
from palr.serve.logs import configure
from palr.settings import Settings, in_address, load_settings
from palr.ui.page import build_page
from palr.ui.server import serve


def main() -> int:
    process.prepare()
    bars_on_terminals_only()
    try:
        settings = load_settings()
        get_backend(settings.llm_backend)  # a wrong name is said before anything is fetched
        configure(settings.log)
        require_free_port(settings)
        setup.ensure(settings)
        runtime = Runtime(settings)
        page = build_page(runtime)
    except PalrError as error:
        print(f"PALR Studio cannot start: {error}", file=sys.stderr)
        return 2
    runtime.warm_up()
    shown = {"0.0.0.0": "localhost", "::": "[::1]"}.get(settings.host, in_address(settings.host))
    print(f"PALR Studio is at http://{shown}:{settings.port}", flush=True)
    serve(page, runtime)
    return 0


def require_free_port(settings: Settings) -> None:
    """Raises SettingsError where something else listens: before the loading, not after it."""
    host, port = settings.host, settings.port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SettingsError(_no_address(host, error)) from error
    local = (socket.AF_INET, ("127.0.0.1", port))  # Gradio asks for it, whatever the host
    for family, address in [*((entry[0], entry[4]) for entry in found), local]:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:  # as the server does; :: would take IPv4's port too
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                probe.bind(address)
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL:
                    raise SettingsError(_no_address(host, error)) from error
                raise SettingsError(
                    f"cannot listen on {in_address(host)}:{port} ({error.strerror}); "
                    f"stop what runs there, or choose another port: PALR_PORT={port + 1}"
                ) from error


def _no_address(host: str, error: Exception) -> str:
    return (
        f"cannot listen on {host!r} ({getattr(error, 'strerror', None) or error}); PALR_HOST takes "
        "an address of this machine without a port: 0.0.0.0, ::, localhost"
    )


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # Not sys.exit: it would wait for a model in the middle of a forward pass, or for its loading.
    os._exit(code)
