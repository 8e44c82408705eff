"""The generated parts of the documentation: tables and charts, out of the records in
``assets/results`` and the settings.

`python -m tests.readme` writes every table between its two comments, in whichever Markdown file
they are, and every chart of `CHARTS`.
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import SecretStr

from palr.bench.picture import picture
from palr.data.datasets import DATASETS
from palr.evaluation.records import Record, read
from palr.evaluation.report import LABELS, NONE, PAPER, table_2
from palr.settings import PREFIX, Settings

from .charts import Row, bar_chart

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
RESULTS = ROOT / "assets" / "results"
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *(
            path
            for folder in ("assets", "finetune", "palr", "tests", ".ci")
            for path in (ROOT / folder).rglob("*.md")
        ),
    ]
)
# The rows of the paper's Table 2; the retriever that PALR_v2 re-ranks here stands above it.
HEADLINE = {
    "bpr-mf": "BPR-MF",
    "ncf": "NCF",
    "gru4rec": "GRU4Rec",
    "caser": "Caser",
    "sasrec-bce": "SASRec as published",
    "sasrec": "SASRec as the app serves it",
    "palr-v1": "PALR_v1",
    "palr-v2": "PALR_v2, on top of that SASRec",
}
STEERED = {
    "ml-1m-v2": "PALR_v2",
    "beauty-v2": "PALR_v2",
    "ml-1m-v2-steered": "PALR_v2, steered",
}
COMPARED = ("ml-1m", "beauty")


def settings_table() -> str:
    rows = ["| Variable | Default | Meaning |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = field.get_default()
        secret = isinstance(default, SecretStr)
        shown = f"`{default}`" if default not in (None, "") and not secret else ""
        shown = "the user's data folder" if name == "home" else shown
        rows.append(f"| `{PREFIX}{name.upper()}` | {shown} | {field.description} |")
    return "\n".join(rows)


def measured(dataset: str) -> dict[str, list[Record]]:
    """Every model's test records, one for each seed.

    The served SASRec and PALR_v2 are from one run over all test users, PALR_v1 from the run over
    1,500 of them; all other models are from the retrieval records.
    """
    found: dict[str, list[Record]] = {}
    for record in read(RESULTS / f"retrieval-{dataset}.json"):
        found.setdefault(record.model, []).append(record)
    whole = {r.model: r for r in read(RESULTS / f"palr-{dataset}.json") if r.part == "test"}
    order = {r.model: r for r in read(RESULTS / f"palr-order-{dataset}.json") if r.part == "test"}
    return {
        **found,
        "sasrec": [whole["sasrec"]],
        "palr-v1": [order["palr-v1"]],
        "palr-v2": [whole["palr-v2"]],
    }


def mean(runs: Sequence[Record], name: str) -> float:
    return sum(run.measures[name] for run in runs) / len(runs)


def headline_table() -> str:
    ours = {dataset: measured(dataset) for dataset in COMPARED}
    heads = ["HR@10 / NDCG@10"]
    for dataset in COMPARED:
        heads += [f"{DATASETS[dataset].label}: paper", "here"]
    rows = [heads, ["---"] * len(heads)]
    for model, label in HEADLINE.items():
        cells = [label]
        for dataset in COMPARED:
            there, runs = PAPER[dataset].get(model), ours[dataset][model]
            cells.append(f"{there.hit_rate:.4f} / {there.ndcg:.4f}" if there else NONE)
            cells.append(f"{mean(runs, 'HR@10'):.4f} / {mean(runs, 'NDCG@10'):.4f}")
        rows.append(cells)
    theirs, here = [], []
    for dataset in COMPARED:
        paper, ranked = PAPER[dataset], ours[dataset]["palr-v2"][0]
        theirs.append(f"{paper['palr-v2'].ndcg / paper['sasrec-bce'].ndcg - 1:+.1%}")
        gain = ranked.measures["delta_NDCG@10"]
        share = gain / (ranked.measures["NDCG@10"] - gain)
        here.append(f"{share:+.1%} (p = {ranked.p_value:.2g})")
    gains = (
        f"PALR_v2 over its retriever, by NDCG@10: {' and '.join(theirs)} in the paper, "
        f"{' and '.join(here)} here."
    )
    return "\n".join([*(f"| {' | '.join(row)} |" for row in rows), "", gains])


def retrieval_table() -> str:
    files = sorted(RESULTS.glob("retrieval-*.json"))
    return table_2([record for path in files for record in read(path)])


def retrieval_speed_table() -> str:
    report = json.loads((RESULTS / "bench-retrieval.json").read_text())
    rows = [
        "| Items | Model | Exact search | Index search | Index recall | Peak memory |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for size in report["sizes"]:
        times = (size[key] for key in ("model_ms", "exact_search_ms", "index_search_ms"))
        cells = [f"{size['items']:,}", *(f"{ms:.2f} ms" for ms in times)]
        cells.append(f"{size['index_recall@50']:.1%} of the 50")
        rows.append(f"| {' | '.join(cells)} | {size['peak_memory_mb']:,} MB |")
    where = report["machine"]
    said = (
        f"`{report['model']}` on {DATASETS[report['dataset']].label}, one core: 50 candidates for "
        f"an unseen visitor with {report['picks']} picks in {report['visitor_p50_ms']:.2f} ms (p95 "
        f"{report['visitor_p95_ms']:.2f}), {report['batch_visitors_per_second']:,.0f} visitors a "
        f"second in batches, {report['evaluated_users_per_second']:,.0f} users a second in an "
        f"evaluation, {report['peak_memory_mb']:,} MB at most (torch {where['torch']})."
    )
    return "\n".join([said, "", *rows])


def ranking_table() -> str:
    paths = sorted(RESULTS.glob("ranking*.json"))
    reports = [json.loads(path.read_text()) for path in paths]
    ways = list(dict.fromkeys(way for report in reports for way in report["p50_s"]))
    heads = [
        "p50, seconds",
        *(f"`{way}`" for way in ways),
        *("decoding speed-up", "ratio to floor", "same items", "batch speed-up"),
        *("click to first words", "click to last card", "the same, prompt read ahead"),
    ]
    rows = [heads, ["---"] * len(heads)]
    notes: set[str] = set()
    for report in reports:
        where, click = report["machine"], report.get("click", {})
        prompts = f"{report['prompts']} prompts of {report['prompt_tokens']:,.0f} tokens"
        rows.append(
            [
                f"{report['domain']}, {where['dtype']}, {prompts}",
                *(_seconds(report["p50_s"].get(way)) for way in ways),
                f"{report['decode_speedup']:.1f}x",
                f"{report['ratio_to_floor']:.2f}",
                "yes" if report["identical"] else "not in all prompts",
                f"{report['throughput']['speedup']['titles']:.1f}x",
                _seconds(click.get("first_words_s", {}).get("cold")),
                *(_seconds(click.get("last_card_s", {}).get(k)) for k in ("cold", "read_ahead")),
            ]
        )
        notes.add(
            f"{where['model']} on {where['device']} ({where['cpu']}, {where['threads']} threads), "
            f"torch {where['torch']}, transformers {where['transformers']}."
        )
    return "\n".join([*(f"| {' | '.join(row)} |" for row in rows), "", *sorted(notes)])


def _seconds(measured: float | None) -> str:
    """A dash where a record is from before this was measured."""
    return "\N{EN DASH}" if measured is None else f"{measured:.2f}"


def reranking_table(stem: str = "palr", baseline: str = "the retriever") -> str:
    records = [r for path in results_of(stem) for r in read(path) if r.part == "test"]
    shuffled = any("overlap@10" in record.measures for record in records)
    heads = ["Data set", "Row", "Users", "HR@10", "NDCG@10", f"NDCG@10 over {baseline}", "p"]
    heads += ["top 10 kept when shuffled"] * shuffled
    rows = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    for record in records:
        cells = [DATASETS[record.dataset].label, LABELS.get(record.model, record.model)]
        cells.append(f"{record.n_users:,}")
        for name in ("HR@10", "NDCG@10"):
            low, high = record.intervals[name]
            cells.append(f"{record.measures[name]:.4f} ± {(high - low) / 2:.4f}")
        if record.baseline:
            low, high = record.intervals["delta_NDCG@10"]
            gain = record.measures["delta_NDCG@10"]
            share = gain / (record.measures["NDCG@10"] - gain)
            cells.append(f"{gain:+.4f} [{low:+.4f}, {high:+.4f}], {share:+.1%}")
            cells.append(f"{record.p_value:.2g}")
        else:
            cells += ["\N{EN DASH}"] * 2
        if shuffled:
            kept = record.measures.get("overlap@10")
            cells.append("\N{EN DASH}" if kept is None else f"{kept:.0%}")
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def order_table() -> str:
    return reranking_table("palr-order")


def profile_table() -> str:
    return reranking_table("palr-profile")


def aids_table() -> str:
    return reranking_table("palr-aids", "the retriever, or over both techniques")


def steered_table() -> str:
    return reranking_table("palr-steered")


def teacher_table() -> str:
    return reranking_table("teacher")


def training_table() -> str:
    timed = json.loads((RESULTS / "training-7b.json").read_text())
    return (
        f"LLaMA-7B's shape with random weights on one {timed['device']}, {timed['dtype']}, LoRA, "
        f"gradient checkpointing {'on' if timed['gradient_checkpointing'] else 'off'}: "
        f"{timed['steps']} steps of {timed['batch_size']} examples in {timed['seconds']:.0f} s, "
        f"{timed['tokens_per_second']:,.0f} tokens a second, "
        f"{timed['peak_memory_mb'] / 1000:.1f} GB at most; a list is ranked in "
        f"{timed['rank_s']:.2f} s (torch {timed['versions']['torch']})."
    )


def results_of(stem: str) -> list[Path]:
    """The files of a stem, in the order of the data sets."""
    paths = (RESULTS / f"{stem}-{key}.json" for key in DATASETS)
    return [path for path in paths if path.is_file()]


def load_table() -> str:
    visitors, hostile, kills = (
        json.loads((RESULTS / f"{name}.json").read_text())
        for name in ("visitors", "hostile", "kills")
    )
    rows = {
        f"{visitors['visitors']} visitors for {visitors['seconds'] / 60:.0f} minutes": (
            f"{visitors['searches']:,} searches, p95 {visitors['search_p95_s'] * 1000:.0f} ms, in "
            f"the slowest half minute {visitors['search_p95_slowest_30_s'] * 1000:.0f} ms; "
            f"{visitors['runs']} runs, {visitors['turned_away']:,} turned away within "
            f"{visitors['turned_away_p95_s'] * 1000:.0f} ms (p95); "
            f"{sum(visitors['errors'].values())} errors, {visitors['crossed_sessions']} crossed "
            f"and {visitors['lost_sessions']} lost sessions; "
            f"{visitors['memory_after_warm_up_mb']:,.0f} MB after warm-up, "
            f"{visitors['memory_at_the_end_mb']:,.0f} MB at the end"
        ),
        f"{hostile['inputs']:,} hostile inputs": (
            f"{len(hostile['faults'])} faults, slowest answer {hostile['slowest_s'] * 1000:.0f} ms"
        ),
        f"{kills['kills']} kills": (
            f"{len(kills['faults'])} faults, {kills['installations_interrupted']} installations "
            "interrupted"
        ),
    }
    table = {"Check": "Found", "---": "---", **rows}
    return "\n".join(f"| {check} | {found} |" for check, found in table.items())


def steer_results() -> list[Path]:
    return [*results_of("steer"), *results_of("steer-steered")]


def steer_orders() -> Iterator[tuple[str, str, dict[str, float]]]:
    """Of each record of steering: the data set, who ranked, and the figures."""
    for path in steer_results():
        report = json.loads(path.read_text())
        label = DATASETS[report["dataset"]].label
        if "steered" not in path.stem:
            yield label, LABELS[report["retriever"]], report["retriever_order"]
        if "llm_order" in report:
            yield label, STEERED[report["llm"].rpartition(" + ")[2]], report["llm_order"]


def steer_table() -> str:
    lines = [
        "| Data set | Order | Users | asked for K, strength .5 | 1 | no K, .5 | 1 "
        "| swapped profile, NDCG@20: loved | hated | one sentence: HR@10 | words alone: HR@10 "
        "| random wish: NDCG@10 at .25, .5, .75, 1 |",
        f"|{' --- |' * 12}",
    ]
    for label, name, m in steer_orders():
        cells = [label, name, f"{m['users']:,}"]
        for kind in ("ask", "no"):
            cells += [
                f"{m[f'{kind}_before']:.2f} -> {m[f'{kind}_0.5']:.2f}",
                f"{m[f'{kind}_1']:.2f}",
            ]
        for side in ("up", "down"):
            cells.append(f"{m[f'swap_{side}_before']:.2f} -> {m[f'swap_{side}_after']:.2f}")
        if "hr" in m:
            costs = [m.get(f"cost_ndcg_{s}") for s in ("0.25", "0.5", "0.75", "1")]
            cost = ", ".join(f"{cost:.3f}" for cost in costs if cost is not None)
            cells += [f"{m['hr']:.3f} -> {m['sentence_hr']:.3f}", f"{m['alone_hr']:.3f}"]
            cells.append(f"{m['ndcg']:.3f} -> {cost}" if cost else NONE)
        else:
            cells += [NONE] * 3
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def own_part_table() -> str:
    lines = [
        "| Data set | Adapter | Users | asked for K | no K |",
        "| --- | --- | --- | --- | --- |",
    ]
    for label, name, m in steer_orders():
        if "ask_own" in m:
            lines.append(
                f"| {label} | {name} | {m['users']:,} "
                f"| {m['ask_before']:.2f} -> {m['ask_own']:.2f} "
                f"| {m['no_before']:.2f} -> {m['no_own']:.2f} |"
            )
    return "\n".join(lines)


def visitors_table() -> str:
    lines = [
        "| Data set | Order | Weight of the profile | Each visitor | Mean |",
        "| --- | --- | --- | --- | --- |",
    ]
    for path in steer_results():
        report = json.loads(path.read_text())
        shares = report.get("visitors", {})
        for key in next(iter(shares.values()), {}):
            who, weight = key.split("_")
            name = LABELS[report["retriever"]]
            name = STEERED[report["llm"].rpartition(" + ")[2]] if who == "llm" else name
            each = [found[key] for found in shares.values()]
            if who == "llm" or "steered" not in path.stem:
                label = DATASETS[report["dataset"]].label
                shown = ", ".join(f"{share:.1f}" for share in each)
                mean_share = sum(each) / len(each)
                lines.append(f"| {label} | {name} | {weight} | {shown} | {mean_share:.2f} |")
    return "\n".join(lines)


def profile_weight_table() -> str:
    lines = [
        "| Data set | Order | Weight of the profile | Top 10 with one of its keywords | NDCG@10 |",
        "| --- | --- | --- | --- | --- |",
    ]
    for label, name, found in steer_orders():
        weights = [n.removeprefix("profile_share_") for n in found if "profile_share" in n]
        for weight in weights:
            if f"profile_ndcg_{weight}" in found:
                share, ndcg = found[f"profile_share_{weight}"], found[f"profile_ndcg_{weight}"]
                lines.append(f"| {label} | {name} | {weight} | {share:.3f} | {ndcg:.4f} |")
    return "\n".join(lines)


def quality() -> str:
    ours = {dataset: measured(dataset) for dataset in COMPARED}
    models = [model for model in LABELS if any(model in runs for runs in ours.values())]
    panels = {}
    for dataset, found in ours.items():
        rows = []
        for model in models:
            there = PAPER[dataset].get(model)
            here = mean(found[model], "NDCG@10") if model in found else None
            rows.append(Row(LABELS[model], here, there.ndcg if there else None))
        panels[DATASETS[dataset].label] = rows
    heading = "NDCG@10 of every model, here and in the paper"
    return bar_chart(heading, panels, ("here", "paper (Table 2)"))


def steering() -> str:
    """What is asked for before it is asked for, and at the default strength."""
    panels = {}
    compared = [DATASETS[key].label for key in COMPARED]
    for label, name, found in steer_orders():
        if label not in compared or name == STEERED["ml-1m-v2-steered"]:
            continue
        panels[f"{label}, {name}"] = [
            Row("asked for K: its share", found["ask_before"], found["ask_0.5"]),
            Row("no K: its share", found["no_before"], found["no_0.5"]),
            Row("loved now: NDCG@20", found["swap_up_before"], found["swap_up_after"]),
            Row("hated now: NDCG@20", found["swap_down_before"], found["swap_down_after"]),
        ]
    return bar_chart("What visitors ask for, before and after", panels, ("before", "after"))


def speed() -> str:
    return picture(json.loads((RESULTS / "ranking.json").read_text()))


TABLES = {
    "headline": headline_table,
    "settings": settings_table,
    "retrieval": retrieval_table,
    "retrieval-speed": retrieval_speed_table,
    "ranking": ranking_table,
    "reranking": reranking_table,
    "order": order_table,
    "profile": profile_table,
    "aids": aids_table,
    "teacher": teacher_table,
    "training": training_table,
    "load": load_table,
    "steer": steer_table,
    "profile-weight": profile_weight_table,
    "own-part": own_part_table,
    "steered": steered_table,
    "visitors": visitors_table,
}
CHARTS = {"quality.svg": quality, "ranking.svg": speed, "steer.svg": steering}


def with_tables(text: str) -> str:
    """A document with the tables that it holds made anew."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        pattern = re.escape(begin) + r".*?" + re.escape(end)

        def block(_: re.Match[str], begin: str = begin, end: str = end, table=table) -> str:
            return f"{begin}\n{table()}\n{end}"

        text = re.sub(pattern, block, text, flags=re.DOTALL)
    return text


if __name__ == "__main__":
    for document in DOCUMENTS:
        document.write_text(with_tables(document.read_text()))
    for name, chart in CHARTS.items():
        (RESULTS / name).write_text(chart())
