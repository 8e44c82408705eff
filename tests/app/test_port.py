"""Where the app can listen, and what is said where it cannot."""

import socket

import pytest

from palr.app.port import _other, require_free_port
from palr.errors import SettingsError
from palr.settings import Settings


@pytest.mark.parametrize(
    "host",
    ["no such host", "x" * 70, "http://127.0.0.1", "localhost:80", "198.51.100.7", "192.0.2.1"],
)
def test_a_host_that_is_no_address_here_is_said(host: str) -> None:
    with pytest.raises(SettingsError, match=f"PALR_HOST={host} is no address of this machine"):
        require_free_port(Settings(host=host))


@pytest.mark.parametrize(("port", "other"), [(7860, 7861), (65535, 7860), (80, 7860)])
def test_the_other_port_that_is_named_can_be_had(port: int, other: int) -> None:
    assert _other(port) == other


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_port_is_taken_or_free(host: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = Settings(host=host, port=taken.getsockname()[1])
        with pytest.raises(
            SettingsError, match=r"\(Address already in use\); stop what runs there"
        ):
            require_free_port(settings)
    require_free_port(settings)
