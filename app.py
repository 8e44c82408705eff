"""Entry point, for people (``python app.py``) and for Hugging Face Spaces alike."""

from palr.commands import console

if __name__ == "__main__":
    console.prepare("PALR Studio")  # first: what follows takes long to import

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
from palr.settings import Settings, load_settings
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
    shown = "localhost" if settings.host in ("0.0.0.0", "::", "") else settings.host
    print(f"PALR Studio is at http://{shown}:{settings.port}", flush=True)
    serve(page, runtime)
    return 0


def other_port(settings: Settings) -> int:
    """A port to try in the place of one that cannot be had; those below 1024 are the system's."""
    return settings.port + 1 if 1024 <= settings.port < 65535 else 7860


def require_free_port(settings: Settings) -> None:
    """Raises SettingsError where something else listens: before the loading, not after it."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except (OSError, UnicodeError) as error:
            lost = not isinstance(error, OSError) or error.errno == errno.EADDRNOTAVAIL
            if lost or isinstance(error, socket.gaierror):
                raise SettingsError(
                    f"PALR_HOST={settings.host} is no address of this machine; 0.0.0.0 means all"
                ) from error
            raise SettingsError(
                f"cannot listen on {settings.host}:{settings.port} ({error.strerror}); "
                f"stop what runs there, or choose another port: PALR_PORT={other_port(settings)}"
            ) from error


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # Not sys.exit: it would wait for a model in the middle of a forward pass, or for its loading.
    os._exit(code)
