from pathlib import Path

import pytest

from palr.errors import SettingsError
from palr.settings import Settings, in_address, load_settings


def test_environment_sets_a_field(monkeypatch):
    monkeypatch.setenv("PALR_PORT", "8123")
    monkeypatch.setenv("PALR_HOME", "/tmp/somewhere")
    settings = load_settings()
    assert settings.port == 8123
    assert settings.catalog_url == "sqlite:////tmp/somewhere/catalog.db"


def test_database_url_wins_over_home():
    settings = Settings(home=Path("/x"), database_url="postgresql+psycopg://db/palr")
    assert settings.catalog_url == "postgresql+psycopg://db/palr"


def test_an_unknown_setting_is_an_error_that_suggests_the_nearest(monkeypatch):
    monkeypatch.setenv("PALR_ADAPTOR", "x")
    with pytest.raises(SettingsError, match=r"PALR_ADAPTOR; did you mean PALR_ADAPTER\?"):
        load_settings()


def test_a_value_of_the_wrong_type_names_its_variable(monkeypatch):
    monkeypatch.setenv("PALR_PORT", "eighty")
    with pytest.raises(SettingsError, match="PALR_PORT"):
        load_settings()


def test_the_api_key_is_not_printed(monkeypatch):
    monkeypatch.setenv("PALR_LLM_API_KEY", "sk-secret")
    assert "sk-secret" not in repr(load_settings())


def test_the_password_is_not_printed(monkeypatch):
    monkeypatch.setenv("PALR_PASSWORD", "correct horse")
    assert "correct horse" not in repr(load_settings())


@pytest.mark.parametrize("password", ["", " ", "\t"])
def test_an_empty_password_is_refused(password, monkeypatch):
    monkeypatch.setenv("PALR_PASSWORD", password)
    with pytest.raises(SettingsError, match="PALR_PASSWORD is empty, and the page would be open"):
        load_settings()


@pytest.mark.parametrize(
    ("given", "host", "address"),
    [
        ("[::]", "::", "[::]"),
        ("::1", "::1", "[::1]"),
        (" localhost ", "localhost", "localhost"),
        ("", "0.0.0.0", "0.0.0.0"),
    ],
)
def test_a_host_is_read_as_an_address_bar_writes_it(given, host, address, monkeypatch):
    monkeypatch.setenv("PALR_HOST", given)
    assert load_settings().host == host
    assert in_address(host) == address
