"""Entry point, for people (``python app.py``) and for Hugging Face Spaces alike."""

from palr.commands import console

if __name__ == "__main__":
    console.prepare("PALR Studio")  # first: what follows takes long to import

import os
import sys

from palr.app import setup
from palr.app.port import in_address, require_free_port
from palr.app.runtime import Runtime
from palr.data.progress import bars_on_terminals_only
from palr.errors import PalrError
from palr.llm import get_backend
from palr.serve import process
from palr.serve.logs import configure
from palr.settings import load_settings
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


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # Not sys.exit: it would wait for a model in the middle of a forward pass, or for its loading.
    os._exit(code)
