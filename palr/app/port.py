"""Where the app listens: whether it can, and how that is written."""

import errno
import socket

from palr.errors import SettingsError
from palr.settings import Settings


def require_free_port(settings: Settings) -> None:
    """Ask for address and port before the loading, not after it.

    Raises:
        SettingsError: something else listens there, or the address is not this machine's.
    """
    host, port = settings.host, settings.port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # a name may be too long to be looked up
        raise SettingsError(_not_here(host)) from error
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
                    raise SettingsError(_not_here(host)) from error
                raise SettingsError(
                    f"cannot listen on {in_address(host)}:{port} ({error.strerror}); "
                    f"stop what runs there, or choose another port: PALR_PORT={_other(port)}"
                ) from error


def in_address(host: str) -> str:
    """A host as an address bar takes it.

    >>> in_address("::1"), in_address("localhost")
    ('[::1]', 'localhost')
    """
    return f"[{host}]" if ":" in host else host


def _not_here(host: str) -> str:
    return (
        f"PALR_HOST={host} is no address of this machine; it takes one without a port, and 0.0.0.0 "
        "means all"
    )


def _other(port: int) -> int:
    """A port to try in the place of one that cannot be had; those below 1024 are the system's."""
    return port + 1 if 1024 <= port < 65535 else 7860
