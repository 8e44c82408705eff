from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from palr.errors import SettingsError
from palr.settings import Settings, _fault, load_settings


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


LINKS = {
    "PALR_SERVICE_HOST": "10.0.0.1",
    "PALR_SERVICE_PORT": "7860",
    "PALR_SERVICE_PORT_HTTP_WEB": "7860",
    "PALR_PORT": "tcp://10.0.0.1:7860",
    "PALR_PORT_7860_TCP": "tcp://10.0.0.1:7860",
    "PALR_PORT_7860_TCP_ADDR": "10.0.0.1",
    "PALR_PORT_7860_TCP_PORT": "7860",
    "PALR_PORT_7860_TCP_PROTO": "tcp",
    "PALR_PORT_53_UDP": "udp://10.0.0.1:53",
    "PALR_LLM_SERVICE_HOST": "10.0.0.2",  # of a service called palr-llm
    "PALR_LLM_PORT": "tcp://10.0.0.2:8000",
    "PALR_LLM_PORT_8000_TCP_ADDR": "10.0.0.2",
}


@pytest.mark.parametrize(("name", "value"), LINKS.items())
def test_kubernetes_service_links_are_no_settings(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert load_settings() == Settings()
    assert load_settings().port == 7860


@pytest.mark.parametrize(
    ("name", "value", "near"),
    [
        ("PALR_LLM_PORT", "8000", "PALR_PORT"),
        ("PALR_PROT", "tcp://10.0.0.1:7860", "PALR_PORT"),
        ("PALR_SERVICE_HOSTS", "10.0.0.1", None),
        ("PALR_X", "1", None),
        ("palr_hom", "/x", "PALR_HOME"),
    ],
)
def test_what_only_resembles_a_link_is_refused(monkeypatch, name, value, near):
    monkeypatch.setenv(name, value)
    hint = f"did you mean {near}" if near else "known settings: PALR_ADAPTER, "
    with pytest.raises(SettingsError, match=f"unknown setting {name}; {hint}"):
        load_settings()


def test_all_unknown_settings_are_named_at_once(monkeypatch):
    monkeypatch.setenv("PALR_ADAPTOR", "x")
    monkeypatch.setenv("PALR_PROT", "1")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value) == (
        "unknown setting PALR_ADAPTOR; did you mean PALR_ADAPTER?; "
        "unknown setting PALR_PROT; did you mean PALR_PORT?"
    )


HOME = Path.home()

# Each setting: values that are read, with what they become, and values that are refused.
READ = {
    "home": {"~/x": HOME / "x", "~": HOME, "x y": Path("x y")},
    "host": {"::1": "::1"},
    "port": {"8080": 8080, "1": 1, "65535": 65535},
    "password": {"correct horse": SecretStr("correct horse")},
    "queue": {"1": 1},
    "rate": {"0": 0},
    "log": {"json+text": "json+text"},
    "database_url": {
        "sqlite:///~/c.db": f"sqlite:///{HOME}/c.db",
        "postgresql+psycopg://db/~palr": "postgresql+psycopg://db/~palr",
    },
    "data": {"~/x": HOME / "x"},
    "retriever": {"sasrec": "sasrec"},
    "llm_backend": {"http": "http"},
    "llm": {"~/m": f"{HOME}/m", "huggyllama/llama-7b": "huggyllama/llama-7b"},
    "llm_url": {"http://h:1/v1": "http://h:1/v1"},
    "llm_api_key": {"sk": SecretStr("sk")},
    "llm_seconds": {"0.5": 0.5, "1e3": 1000.0},
    "profile": {"free": "free"},
    "adapter": {"~/a": f"{HOME}/a", "owner/name": "owner/name"},
    "device": {"cuda:1": "cuda:1"},
    "dtype": {"int4": "int4"},
}
REFUSED = {
    "home": ("~nobody.here/x",),
    "port": ("-1", "0", "65536", "80.5", "nan", "inf", "1e999", "9" * 5000, "http://10.0.0.1:7860"),
    "queue": ("0", "-1", "nan", "inf", "many"),
    "rate": ("-1", "nan", "inf", "0.5"),
    "log": ("yaml",),
    "database_url": ("sqlite:///~nobody.here/x",),
    "data": ("~nobody.here/x",),
    "llm": ("~nobody.here/x",),
    "llm_seconds": ("0", "-1", "nan", "inf", "-inf", "1e400", "1e300", "soon", "one\nline"),
    "profile": ("short",),
    "adapter": ("~nobody.here/x",),
    "dtype": ("int3",),
}


def test_the_tables_cover_every_setting():
    assert set(READ) == set(Settings.model_fields) >= set(REFUSED)


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [(name, *pair) for name, pairs in READ.items() for pair in pairs.items()],
)
def test_a_value_is_read_with_blanks_around_it(monkeypatch, name, value, read):
    for written in (value, f"  {value}\t", f"{value}\n"):
        monkeypatch.setenv(f"PALR_{name.upper()}", written)
        assert getattr(load_settings(), name) == read


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("empty", ["", "  "])
def test_empty_means_the_default(monkeypatch, name, empty):
    monkeypatch.setenv(f"PALR_{name.upper()}", empty)
    assert load_settings() == Settings()


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in REFUSED.items() for value in values]
)
def test_a_value_that_cannot_be_is_one_line_that_names_it(monkeypatch, name, value):
    monkeypatch.setenv(f"PALR_{name.upper()}", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    message = str(caught.value)
    shown = f"settings do not parse: PALR_{name.upper()}={value[:20]!r}".rstrip("'")
    assert message.startswith(shown)
    assert "\n" not in message
    assert len(message) < 300


def test_a_secret_that_does_not_parse_is_not_printed():
    with pytest.raises(ValidationError) as caught:
        Settings(password=["hunter2"])
    assert "hunter2" not in _fault("password", caught.value.errors()[0])


@pytest.mark.parametrize(
    ("given", "host"),
    [("[::]", "::"), ("::1", "::1"), (" localhost ", "localhost"), ("", "0.0.0.0")],
)
def test_a_host_is_read_as_an_address_bar_writes_it(given, host, monkeypatch):
    monkeypatch.setenv("PALR_HOST", given)
    assert load_settings().host == host
