"""Official files over HTTPS: streamed beside their place, then moved there whole."""

import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path

from filelock import FileLock

from palr.data.progress import Progress, silent
from palr.errors import DataError

TIMEOUT_SECONDS = 30
BLOCK = 1 << 18
_UNREACHABLE = (urllib.error.URLError, TimeoutError, ConnectionError)


def download(url: str, target: Path, progress: Progress = silent) -> Path:
    """Fetch ``url`` to ``target`` unless it is there already; returns ``target``.

    An interrupted download leaves no ``target``, and the next call starts anew.

    Raises:
        DataError: the server cannot be reached or refuses, the file came in short, or it cannot
            be written.
    """
    partial = target.with_name(f"{target.name}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f"{target.name}.lock")):
            if not target.exists():
                _stream(url, partial, progress)
                os.replace(partial, target)
    except (http.client.HTTPException, *_UNREACHABLE) as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(f"{url} cannot be downloaded ({reason})") from error
    except OSError as error:
        raise DataError(
            f"{target.parent} cannot be written ({error.strerror or error}); set PALR_HOME to a "
            "writable folder"
        ) from error
    return target


def _stream(url: str, partial: Path, progress: Progress) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "palr-studio"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
        total = int(response.headers.get("Content-Length") or 0)
        done = 0
        with partial.open("wb") as out:
            while block := response.read(BLOCK):
                out.write(block)
                done += len(block)
                # The last step is reported when the file is known to be whole.
                progress(partial.stem, done, max(total, done + 1), "B")
    if total and done != total:
        raise DataError(f"{url} came in short: {done} of {total} bytes")
    progress(partial.stem, done, done, "B")
