from dataclasses import replace

import numpy as np

from palr.evaluation.report import NONE, PAPER, comparison_table, table, table_2
from palr.evaluation.significance import compare
from tests.evaluation.test_records import RECORD


def rows_of(markdown):
    lines = markdown.splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {(row[0], row[1]): row[2:] for row in cells}


def test_one_seed_shows_half_its_interval_beside_the_papers_figures():
    rows = rows_of(table_2([replace(RECORD, model="sasrec-bce")]))
    label = "Amazon Beauty (2014)"
    assert rows[label, "SASRec as published"] == [
        *("0.0900 ± 0.0100", "0.0500 ± 0.0100", "0.1800 ± 0.0100", "1"),
        *("0.0617", "0.0283"),
    ]


def test_several_seeds_are_one_row_with_their_spread():
    other = replace(RECORD, seed=2, measures=RECORD.measures | {"HR@10": 0.11})
    row = rows_of(table_2([RECORD, other]))["Amazon Beauty (2014)", "SASRec"]
    assert row[0] == "0.1000 ± 0.0141"  # by hand: sqrt(2 * 0.01 ** 2)
    assert row[3] == "2"


def test_rows_that_only_the_paper_has_show_a_dash_of_ours():
    rows = rows_of(table_2([RECORD]))
    assert rows["Amazon Beauty (2014)", "PALR_v2"] == [*[NONE] * 4, "0.0721", "0.0446"]
    assert all(label == "Amazon Beauty (2014)" for label, _ in rows)


def test_the_papers_table_is_whole_and_its_palr_v2_is_the_best():
    rows = rows_of(table_2([RECORD]))
    assert rows["Amazon Beauty (2014)", "Caser"][-2:] == ["0.0282", "0.0136"]
    for models in PAPER.values():
        assert set(models) == {
            *("bpr-mf", "ncf", "gru4rec", "caser", "sasrec-bce", "palr-v1", "palr-v2")
        }
        best = models["palr-v2"]
        assert best.hit_rate == max(published.hit_rate for published in models.values())
        assert best.ndcg == max(published.ndcg for published in models.values())
        assert all(published.ndcg < published.hit_rate for published in models.values())


def test_the_order_is_that_of_the_labels():
    records = [replace(RECORD, model=model) for model in ("sasrec", "unheard-of", "popularity")]
    names = [name for _, name in rows_of(table_2(records))]
    assert names[0] == "Popularity"
    assert names.index("SASRec") < names.index("PALR_v1") < names.index("unheard-of")


def test_the_terminal_shows_figures_intervals_and_the_comparison():
    compared = replace(
        RECORD,
        baseline="popularity-0",
        p_value=0.0002,
        measures=RECORD.measures | {"delta_NDCG@10": 0.02},
        intervals=RECORD.intervals | {"delta_NDCG@10": (0.01, 0.03)},
    )
    text = table([compared])
    for part in ("0.0900 [0.0800, 0.1000]", "70.0%", "1.20", "22,363 users, 12,101 items"):
        assert part in text
    assert "sasrec-1 over popularity-0: NDCG@10 +0.0200 [+0.0100, +0.0300], p = 0.0002" in text


def test_a_comparison_shows_every_metric():
    text = comparison_table("a-0", "b-0", 2, compare(np.array([1, 1]), np.array([99, 99])))
    assert text.splitlines()[0] == "a-0 over b-0, 2 users"
    assert "HR@10    +1.0000  [+1.0000, +1.0000]  0.0002" in text


def test_no_records_are_an_empty_table():
    assert table([]).startswith("model")
