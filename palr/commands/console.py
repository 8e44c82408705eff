"""How a command line meets its terminal: what it prints always prints, and it ends in one line.

Exit codes: 0 all is well; 1 the answer is no (a replay that differs, a doctor who found something),
or nobody reads the output any more; 2 what was asked for cannot be done; 130 Ctrl-C.
"""

import codecs
import io
import os
import sys
from collections.abc import Callable
from types import TracebackType

from palr.errors import PalrError
from palr.text import visible

REFUSED, INTERRUPTED = 2, 130


def prepare(program: str) -> None:
    """Call it before anything that takes long to import.

    What an output cannot show is written as ``\\\\u00e9``, which JSON reads back. Ctrl-C ends the
    process with a line instead of a traceback.

    Args:
        program: What stands before that line.
    """
    codecs.register_error("palr.escaped", _escaped)
    for stream in (sys.stdout, sys.stderr):
        raises = ("strict", "surrogateescape")
        if isinstance(stream, io.TextIOWrapper) and stream.errors in raises:
            stream.reconfigure(errors="palr.escaped")

    def ended(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, at)
            return
        echo(f"{program}: interrupted", err=True)
        os._exit(INTERRUPTED)  # the interpreter would kill itself with the signal once more

    sys.excepthook = ended


def echo(text: str = "", err: bool = False, nl: bool = True) -> None:
    """Print a text at once. `typer.echo` writes UTF-8 where an output is said to be ASCII."""
    print(text, end="\n" if nl else "", file=sys.stderr if err else sys.stdout, flush=True)


def run(program: str, app: Callable[[], object]) -> None:
    """Run a command line; what a person can mend is one line on stderr.

    Args:
        program: What stands before that line.
        app: Reads the arguments, and exits.
    """
    try:
        app()
    except PalrError as error:  # some libraries' reasons have lines
        echo(f"{program}: {visible(' '.join(str(error).split()))}", err=True)
    except OSError as error:  # of a disk or a file; what can be foreseen has a better message
        where = f"{error.filename}: " if error.filename else ""
        echo(f"{program}: {where}{error.strerror or error}", err=True)
    except SystemExit as done:
        if done.code == INTERRUPTED:
            echo(f"{program}: interrupted", err=True)
        raise
    else:
        return
    sys.exit(REFUSED)


def _escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    pairs = (units[at : at + 2].hex() for at in range(0, len(units), 2))
    return "".join(f"\\u{pair}" for pair in pairs), error.end
