"""Whether the app can listen where its settings say."""

import errno
import socket

from palr.errors import SettingsError
from palr.settings import Settings

_NOT_HERE = errno.EADDRNOTAVAIL


def require_free_port(settings: Settings) -> None:
    """Ask for address and port before the loading, not after it.

    Raises:
        SettingsError: something else listens there, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except (OSError, UnicodeError) as error:  # a name may be too long to be looked up
            if isinstance(error, UnicodeError | socket.gaierror) or error.errno == _NOT_HERE:
                raise SettingsError(
                    f"PALR_HOST={settings.host} is no address of this machine; 0.0.0.0 means all"
                ) from error
            raise SettingsError(
                f"cannot listen on {settings.host}:{settings.port} ({error.strerror}); "
                f"stop what runs there, or choose another port: PALR_PORT={_other(settings.port)}"
            ) from error


def _other(port: int) -> int:
    """A port to try in the place of one that cannot be had; those below 1024 are the system's."""
    return port + 1 if 1024 <= port < 65535 else 7860
