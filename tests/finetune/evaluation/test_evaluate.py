"""The pipeline, measured on a small world with a tiny model."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from finetune.configs import Config
from finetune.data.build import build, folder
from finetune.data.lists import MISS, Kept, Order, served, user_lists
from finetune.evaluation.calibrate import Weights, calibrate
from finetune.evaluation.evaluate import evaluate, opened
from finetune.evaluation.rankers import Sampling, System, SystemRunner, read_system
from finetune.evaluation.records import sensitivity
from finetune.training.train import Run, train
from palr.domains import HISTORY_LIMIT
from palr.errors import DataError, PalrError
from palr.evaluation.metrics import summary
from palr.llm.adapter_pool import load_adapted
from palr.llm.adapters import WEIGHTS, read_adapter
from palr.llm.base import last
from palr.ranking import ScoreMix, rank, ranking_job
from palr.retrieval import load_retriever
from palr.retrieval.splits import training_data
from palr.retrieval.trainable import Plan
from palr.settings import Settings
from palr.training.train import train as train_retriever

SAMPLING = Sampling(users=30, validation=20, checked=6, shuffled=4, shuffles=3)


@pytest.fixture(scope="module")
def home(tmp_path_factory, films, base_folder) -> Settings:
    """A home with a retriever, and the tiny LLaMA as the model."""
    settings = Settings(
        home=tmp_path_factory.mktemp("home"), llm=str(base_folder), dtype="float32", device="cpu"
    )
    plan = Plan(epochs=4, batch_size=16, lr=3e-3)
    train_retriever("sasrec", films, settings, plan=plan, quiet=True)
    return settings


@pytest.fixture(scope="module")
def adapter(home, films, base_folder, small_recipe) -> Path:
    recipe = replace(small_recipe, tasks=("Recommend_Retrieval",), negatives="retriever")
    build(films, home, "drawn", recipe)
    config = Config(base_model=str(base_folder), dtype="float32", max_steps=3, accumulate=2)
    config = replace(config, beta=1.0)
    out = home.home / "adapters" / "palr-v2"
    instructions = folder(home, films.dataset, "drawn")
    train(Run("palr-v2", "x", config, instructions, out), films, home, quiet=True)
    return out


def rows(records):
    return {(record.model, record.part): record for record in records}


def test_every_row_is_over_all_sampled_users(films, home, adapter):
    records = evaluate(
        films,
        home,
        [System("zero-shot", mode="titles"), read_system(f"palr-v2={adapter}")],
        sampling=SAMPLING,
        profile="none",
    )
    found = rows(records)
    assert [key for key in found if key[1] == "test"] == [
        ("sasrec", "test"),
        ("zero-shot", "test"),
        ("palr-v2", "test"),
        ("palr-v2-alone", "test"),
        ("palr-v2-mix", "test"),
    ]
    assert all(record.n_users == 30 for record in records if record.part == "test")
    for record in records:
        if record.model != "sasrec":
            assert record.valid_share == 1.0
            assert record.baseline == "sasrec"
            assert record.p_value is not None
            assert record.base_model == Path(home.llm).name
    # No order of what was retrieved can find what was not.
    for model in ("zero-shot", "palr-v2", "palr-v2-alone", "palr-v2-mix"):
        found_at_all = found[model, "test"].measures["HR@50"]
        assert found_at_all == found["sasrec", "test"].measures["HR@50"]
    apart = [found["palr-v2", part].n_users for part in ("test-seen", "test-unseen")]
    assert sum(apart) == 30
    assert 0 <= found["palr-v2", "test"].measures["overlap@10"] <= 1
    gain = found["palr-v2", "test"].measures["delta_NDCG@10"]
    both = [found[model, "test"].measures["NDCG@10"] for model in ("palr-v2", "sasrec")]
    assert gain == pytest.approx(both[0] - both[1])


def test_rows_can_be_compared_with_one_of_them(films, home, adapter):
    small = replace(SAMPLING, validation=0)
    rivals = [System("zero-shot"), read_system(f"palr-v2={adapter}")]
    records = evaluate(films, home, rivals, baseline="palr-v2", sampling=small, profile="none")
    found = rows(records)
    assert found["palr-v2", "test"].baseline == "sasrec"
    gained = found["zero-shot", "test"]
    assert gained.baseline == "palr-v2"
    both = [found[model, "test"].measures["NDCG@10"] for model in ("zero-shot", "palr-v2")]
    assert gained.measures["delta_NDCG@10"] == pytest.approx(both[0] - both[1])
    with pytest.raises(PalrError, match="no row is called 'palr-v3'"):
        evaluate(films, home, rivals, baseline="palr-v3", sampling=small, profile="none")


def test_a_mode_without_a_prior_ranks_by_its_own_scores(films, home, adapter):
    small = replace(SAMPLING, users=10, validation=0)
    records = evaluate(
        films, home, [read_system(f"x={adapter}:likelihood")], sampling=small, profile="none"
    )
    assert {record.model for record in records} == {"sasrec", "x"}
    runner = SystemRunner(
        opened(films, home, "sasrec", small, "none"), read_system(f"x={adapter}:likelihood")
    )
    assert read_adapter(adapter).prior == 1.0
    assert not runner.mix
    for order in Kept(runner.folder / "test.jsonl").orders.values():
        assert max(order.scores) <= 0  # log-probabilities, nothing taken off


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_what_is_measured_is_what_is_served(films, home, adapter, tmp_path, spread):
    worn = tmp_path / "palr-v2"
    shutil.copytree(adapter, worn)
    note = worn / "palr.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | {"prior": 0.2, "spread": spread}))
    runner = SystemRunner(
        opened(films, home, "sasrec", SAMPLING, "none"), read_system(f"palr-v2={worn}")
    )
    checked = runner.evaluation.checked
    llm = load_adapted(home.model_copy(update={"adapter": str(worn)}))
    assert ScoreMix.of(llm.adapter, "sasrec") == runner.mix == ScoreMix(0.2, spread)

    changed = 0
    for entry in checked:
        order = runner.orders([entry], "test")[entry.user]
        measured = served(order, entry.candidates, runner.mix)
        ranking = last(rank(_job(films, entry, llm, runner), llm))
        assert measured.places == tuple(item.retriever_rank for item in ranking.items)
        changed += measured.places != order.places
    assert changed


def _job(films, entry, llm, runner):
    history = entry.history[-HISTORY_LIMIT:]
    mode = runner.system.mode
    job = ranking_job(films.domain, history, None, entry.candidates, 10, llm, mode)
    return replace(job, k=50)


def test_users_that_were_looked_at_can_be_skipped(films, home):
    def users(**changes) -> list[int]:
        sampling = replace(SAMPLING, **changes)
        return [entry.user for entry in opened(films, home, "sasrec", sampling, "none").test]

    assert users(skip=10, users=20) == users(users=30)[10:]
    assert users(skip=10, users=0) == users(users=0)[10:]
    with pytest.raises(PalrError, match="skip=40 leaves none of 40"):
        users(skip=40)


def test_calibration_writes_what_the_mix_would_fit(films, home, adapter, tmp_path):
    folder_ = tmp_path / "palr-v2"
    shutil.copytree(adapter, folder_)
    evaluation = opened(films, home, "sasrec", SAMPLING, "none")
    path = (
        SystemRunner(evaluation, read_system(f"calibrated={folder_}")).folder / "validation.jsonl"
    )

    def ranked(sees_the_target: bool) -> None:
        """Kept orders of a model that knows every target, or knows nothing."""
        path.unlink(missing_ok=True)
        for entry in evaluation.validation:
            if entry.hit:
                others = [c.rank for c in entry.candidates if c.rank != entry.rank]
                scores = (float(sees_the_target), *(0.0 for _ in others))
                Kept(path).add(Order(entry.user, (entry.rank, *others), scores, True, 0.0))

    ranked(sees_the_target=False)
    with pytest.raises(PalrError, match="train it longer"):
        calibrate(films, home, folder_, sampling=SAMPLING)
    assert read_adapter(folder_).prior == 1.0
    ranked(sees_the_target=True)
    weights = calibrate(films, home, folder_, sampling=SAMPLING)
    written = read_adapter(folder_)
    assert (written.prior, written.spread) == (weights.prior, weights.spread)
    assert weights.prior < 1
    path.unlink()


@pytest.mark.parametrize("loud", [True, False])
def test_a_model_that_is_loud_where_it_is_wrong_is_standardised(
    films, home, adapter, tmp_path, loud
):
    folder_ = tmp_path / "palr-v2"
    shutil.copytree(adapter, folder_)
    sampling = replace(SAMPLING, validation=40)
    # Popularity knows little here, where SASRec knows every target.
    evaluation = opened(films, home, "popularity", sampling, "none")
    path = (
        SystemRunner(evaluation, read_system(f"calibrated={folder_}")).folder / "validation.jsonl"
    )
    path.unlink(missing_ok=True)
    for n, entry in enumerate(entry for entry in evaluation.validation if entry.hit):
        right = n % 4 > 0
        liked = (
            entry.rank if right else next(c.rank for c in entry.candidates if c.rank != entry.rank)
        )
        others = [c.rank for c in entry.candidates if c.rank != liked]
        size = 1.0 if right is loud else 9.0
        scores = (size, *(0.0 for _ in others))
        Kept(path).add(Order(entry.user, (liked, *others), scores, True, 0.0))
    weights = calibrate(films, home, folder_, "popularity", sampling)
    assert weights.standardised is loud
    written = read_adapter(folder_)
    assert written.weights("popularity") == (weights.prior, weights.spread)
    assert written.weights("sasrec") == read_adapter(adapter).weights("sasrec")  # as it was
    runner = SystemRunner(evaluation, read_system(f"calibrated={folder_}"))
    assert runner.mix == (ScoreMix(weights.prior, weights.spread) if weights.prior else ScoreMix())
    path.unlink()


def test_weights_become_prior_and_spread():
    def written(model, retriever, standardised):
        weights = Weights(model, retriever, standardised, 0.0)
        return weights.prior, weights.spread

    assert written(2.0, 3.0, False) == (1.5, 0.0)
    assert written(2.0, 3.0, True) == (3.0, 2.0)
    assert written(2.0, -3.0, False) == (0.0, 0.0)  # no retriever is better than one upside down


def test_a_target_is_never_put_into_the_candidates(films, home):
    data = training_data(films)
    retriever = load_retriever("popularity", films, home)
    found = user_lists(retriever, data, films, range(40), "test", n_candidates=5)
    assert all(len(entry.candidates) == 5 for entry in found)
    ids = data.item_ids
    for entry in found:
        target = ids[data.split.test_targets[entry.user]]
        listed = [candidate.item.id for candidate in entry.candidates]
        assert (target in listed) == (entry.rank != MISS)
        if entry.hit:
            assert listed[entry.rank - 1] == target
    assert any(not entry.hit for entry in found)


def test_the_retrievers_row_is_its_own_order(films, home):
    (record,) = evaluate(films, home, [], sampling=replace(SAMPLING, users=0), profile="none")
    data = training_data(films)
    served = load_retriever("sasrec", films, home)
    ranks = [entry.rank for entry in user_lists(served, data, films, range(40), "test", 50)]
    assert record.n_users == 40
    assert record.measures == summary(np.array(ranks))


def test_what_was_ranked_is_not_ranked_again(films, home):
    one = [System("once", mode="labels")]
    evaluate(films, home, one, sampling=SAMPLING, profile="none")
    place = SystemRunner(opened(films, home, "sasrec", SAMPLING, "none"), *one).folder
    path = place / "test.jsonl"
    before = path.read_bytes()
    again = evaluate(films, home, one, sampling=SAMPLING, profile="none")
    assert path.read_bytes() == before
    # A killed run: half of the file is there.
    lines = before.splitlines()
    path.write_bytes(b"\n".join(lines[: len(lines) // 2]))
    resumed = evaluate(films, home, one, sampling=SAMPLING, profile="none")
    assert set(Kept(path).orders) == _users(before, place)
    assert rows(resumed)["once", "test"].measures == pytest.approx(
        rows(again)["once", "test"].measures
    )


def _users(content: bytes, place: Path) -> set[int]:
    (place / "copy.jsonl").write_bytes(content)
    return set(Kept(place / "copy.jsonl").orders)


def test_profiles_are_the_base_models_and_kept(films, home, adapter):
    small = replace(SAMPLING, users=3, validation=1, checked=2, shuffled=0)
    evaluate(films, home, [read_system(f"palr-v2={adapter}")], sampling=small, profile="llm")
    kept = (home.home / "evaluations" / films.dataset / "reranking").glob("profiles-*.jsonl")
    assert all("This viewer" in path.read_text() for path in kept)


def test_an_adapter_of_other_data_is_refused(films, home, adapter, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(adapter, other)
    record = other / "record.json"
    checksum = training_data(films).checksum
    record.write_text(record.read_text().replace(checksum, "0" * 64))
    small = replace(SAMPLING, users=10, validation=0, shuffled=0)
    rivals = [read_system(f"x={other}")]
    for transfer in (False, True):  # of the same data set, as it was at another time
        with pytest.raises(DataError, match="train it again"):
            evaluate(films, home, rivals, sampling=small, profile="none", transfer=transfer)

    record.write_text(record.read_text().replace('"ml-100k"', '"ml-1m"'))
    with pytest.raises(DataError, match="allow the transfer"):
        evaluate(films, home, rivals, sampling=small, profile="none")
    records = evaluate(films, home, rivals, sampling=small, profile="none", transfer=True)
    assert {record.part for record in records} == {"test"}  # nobody was seen


def test_rows_are_named_once_and_exist(films, home, tmp_path):
    with pytest.raises(PalrError, match="two rows"):
        evaluate(films, home, [System("sasrec")], sampling=SAMPLING, profile="none")
    with pytest.raises(PalrError, match=WEIGHTS):
        read_system(f"x={tmp_path}")
    with pytest.raises(PalrError, match="ROW=FOLDER"):
        read_system("palr-v2")
    with pytest.raises(PalrError, match="unknown ranking mode"):
        evaluate(films, home, [System("x", mode="y")], sampling=SAMPLING, profile="none")


def test_sensitivity_is_over_all_pairs_of_orders():
    def way(*places: int) -> dict[int, Order]:
        return {0: Order(0, places, (), True, 0.0)}

    same = sensitivity([way(1, 2), way(1, 2)])
    assert same == {"overlap@10": 1.0, "tau@10": 1.0}
    three = sensitivity([way(1, 2), way(1, 2), way(2, 1)])
    assert three == {"overlap@10": 1.0, "tau@10": pytest.approx(-1 / 3)}
    assert sensitivity([]) == {}
