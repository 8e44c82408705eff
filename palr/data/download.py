"""Official files over HTTPS, whole or not at all."""

import http.client
import urllib.error
import urllib.request
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock

from palr.data.progress import Progress, silent
from palr.errors import DataError, UnwritableError
from palr.files import replacing

TIMEOUT_SECONDS = 30
BLOCK = 1 << 18
_UNREACHABLE = (urllib.error.URLError, TimeoutError, ConnectionError)


def download(url: str, target: Path, progress: Progress = silent) -> Path:
    """Fetch a file unless it is there already.

    An interrupted download leaves no ``target``, and the next call starts anew.

    Args:
        url: What to fetch.
        target: Where it goes.
        progress: Is called with the bytes done and their total.

    Returns:
        ``target``.

    Raises:
        DataError: the server cannot be reached or refuses, the file came in short, or it cannot
            be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f"{target.name}.lock")):
            for left_over in target.parent.glob(f"{target.name}.*.tmp"):
                left_over.unlink()  # of a download that was killed
            if not target.exists():
                with replacing(target) as out:
                    _stream(url, out, target.name, progress)
    except UnwritableError as error:
        raise DataError(str(error)) from error
    except OSError as error:
        raise DataError(
            f"{target.parent} cannot be written ({error.strerror or error}); set PALR_HOME to a "
            "writable folder"
        ) from error
    return target


def _stream(url: str, out: BinaryIO, name: str, progress: Progress) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "palr-studio"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            total = int(response.headers.get("Content-Length") or 0)
            done = 0
            while block := response.read(BLOCK):
                out.write(block)
                done += len(block)
                # The last step is reported when the file is known to be whole.
                progress(name, done, max(total, done + 1), "B")
    except (http.client.HTTPException, *_UNREACHABLE) as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(f"{url} cannot be downloaded ({reason})") from error
    if total and done != total:
        raise DataError(f"{url} came in short: {done} of {total} bytes")
    progress(name, done, done, "B")
