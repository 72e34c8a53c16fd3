"""Fills the report from the published tables: small selections, drawn by hash so that they do not flatter."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xmer_spark import names
from xmer_spark.report import data as report
from xmer_spark.report import formats

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame, Row

    from xmer_spark.config import Source
    from xmer_spark.store.runs import Job

_MISTAKES = 12
_EXAMPLES = 5


def collect(job: Job) -> report.ReportData:
    """Everything that the page shows, from the tables that this run is pinned to."""
    context = job.context
    last = {run.job: run for run in context.runs()}
    metrics = _metrics(job, [last[name].run_id for name in ("resolve", "evaluate")])
    by_class = context.config.evaluation.task == "class"
    return report.ReportData(
        name=context.config.name,
        created=max(run.finished for run in last.values()).strftime("%Y-%m-%d %H:%M UTC"),
        facts=_facts(last, by_class) | {"sources": len(context.config.source)},
        provenance=report.Provenance(
            run_id=last["resolve"].run_id,
            model_version=str(last["resolve"].model_version),
            warehouse=context.config.warehouse.path,
            table_versions=dict(sorted(job.inputs.items())),
        ),
        measures=_headline(metrics, context.config.source),
        level=context.config.evaluation.level,
        description=context.config.description,
        limits=_limits(metrics, by_class),
        gallery=None if by_class else _gallery(job),
        false_pairs=() if by_class else _false_pairs(job),
        missed_pairs=() if by_class else _missed_pairs(job),
        curves=_curves(metrics),
        calibrations=_calibrations(metrics),
        distributions=_distributions(metrics),
        rankings=_rankings(job, metrics),
        confusions=_confusions(metrics),
        stages=_stages(last, metrics, by_class),
        job_seconds={run.job: (run.finished - run.started).total_seconds() for run in last.values()},
        rejects=_rejects(job),
    )


def _metrics(job: Job, run_ids: Sequence[str]) -> dict[str, Row]:
    from pyspark.sql import functions as F

    rows = job.read("metrics").where(F.col("run_id").isin(*run_ids)).collect()
    return {row["name"]: row for row in sorted(rows, key=lambda row: row["name"])}


def _detail(row: Row) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(row["detail"] or "{}")
    return found


def _measure(name: str, row: Row, note: str = "") -> report.Measure:
    return report.Measure(name, row["value"], row["low"], row["high"], note)


def _facts(last: Mapping[str, Row], by_class: bool) -> dict[str, int]:
    ingested, resolved = last["ingest"].counts, last["resolve"].counts
    facts = {"items": ingested["items"], "rejects": ingested["rejects"]}
    return facts if by_class else facts | {"entities": resolved["entities"]}


def _headline(metrics: Mapping[str, Row], sources: Sequence[Source]) -> list[report.Measure]:
    """The figures that tell most: one retrieval direction a modality pair, the worst of the rest."""
    found = [
        _measure(title, metrics[names.metric_name(name, names.ALL)], "held-out entities")
        for name, title in (("pair_f1", "Pair F1"), ("bcubed_f1", "B-cubed F1"))
        if names.metric_name(name, names.ALL) in metrics
    ]
    name, title = (names.recall_at(10), "Recall@10") if found else ("map", "MAP")
    shown = set()
    modality = {source.name: source.modality for source in sources}
    for about, row in names.about(name, metrics).items():
        direction = tuple(modality[source] for source in names.direction_of(about))
        if direction not in shown:
            shown.add(direction)
            found.append(_measure(f"{title} {direction[0]} → {direction[1]}", row, formats.direction(about)))
    for name, title, worst in (
        ("calibration_error", "Calibration error", max),
        ("blocking_recall", "Blocking recall", min),
        ("certified_recall", "Kept by blocking, certified", min),
        ("blocking_reduction", "Comparisons spared", min),
    ):
        rows = names.about(name, metrics)
        if rows:
            about = worst(rows, key=lambda key: rows[key]["value"])
            found.append(_measure(title, rows[about], f"the worst: {formats.pair(about)}"))
    return found


def _limits(metrics: Mapping[str, Row], by_class: bool) -> str:
    """One sentence on the weakest modality pair, from the figures."""
    if by_class:
        return "A class-level task: items are ranked by class; entities are not formed."
    f1 = names.about("pair_f1", metrics)
    parts = {about: row["value"] for about, row in f1.items() if about != names.ALL}
    if not parts:
        return ""
    worst = min(parts, key=lambda about: parts[about])
    recall = names.about("pair_recall", metrics)[worst]["value"]
    precision = names.about("pair_precision", metrics)[worst]["value"]
    return (
        f"The weakest links are between {' and '.join(names.modalities_of(worst))}: {recall:.0%} of these "
        f"true pairs are found, and {precision:.0%} of those found are right."
    )


def _gallery(job: Job) -> report.Gallery:
    """Entities with a held-out item and at least two items, drawn by a hash of their ids."""
    from pyspark.sql import functions as F

    items = job.read("items").where("split = 'test'").select("item_id")
    held_out = job.read("members").join(items, "item_id").select("entity_id").distinct()
    entities = job.read("entities").join(held_out, "entity_id").where("size > 1")
    chosen = entities.orderBy(F.xxhash64("entity_id")).limit(job.context.config.report.gallery).toPandas()
    chosen = chosen.sort_values("entity_id")
    found = _items_of(job, chosen["entity_id"].tolist())
    shown = [_entity(row, found) for row in chosen.to_dict("records")]
    return report.Gallery(
        shown, entities.count(), "drawn at random among those with a held-out item and a match"
    )


def _items_of(job: Job, entity_ids: list[str]) -> pd.DataFrame:
    """The items of these entities, and those that the truth says they lack, with where they went."""
    from pyspark.sql import functions as F

    members = job.read("members").select("item_id", "entity_id", "confidence")
    items = job.read("items").select("item_id", "source", "modality", "text", "image", "attributes", "entity")
    everything = items.join(members, "item_id")
    mine = everything.where(F.col("entity_id").isin(entity_ids))
    truths = mine.select("entity").where("entity IS NOT NULL").distinct()
    related = everything.join(truths, "entity", "left_semi").unionByName(mine).dropDuplicates(["item_id"])
    return related.toPandas().sort_values("item_id")


def _entity(row: Mapping[Any, Any], items: pd.DataFrame) -> report.Entity:
    inside = items[items["entity_id"] == row["entity_id"]]
    counted = Counter(value for value in inside["entity"] if value is not None)
    truth = min(counted, key=lambda name: (-counted[name], name)) if counted else None
    shown = [
        _item(
            item,
            item["confidence"],
            None if truth is None else "right" if item["entity"] == truth else "wrong",
        )
        for item in inside.to_dict("records")
    ]
    if truth is not None:
        absent = items[(items["entity"] == truth) & (items["entity_id"] != row["entity_id"])]
        shown += [_item(item, None, "missing") for item in absent.to_dict("records")]
    return report.Entity(
        row["entity_id"], row["title"], shown, row["label"], float(row["cohesion"]), float(row["lowest_link"])
    )


def _item(
    row: Mapping[Any, Any], probability: float | None = None, truth: report.Truth | None = None
) -> report.Item:
    return report.Item(
        item_id=row["item_id"],
        source=row["source"],
        modality=row["modality"],
        text=row["text"],
        image=row["image"],
        attributes=dict(row["attributes"] or {}),
        probability=None if probability is None else float(probability),
        truth=truth,
    )


def _pairs_with_truth(job: Job) -> DataFrame:
    """Matches with a held-out side, and whether they are right."""
    from pyspark.sql import functions as F

    items = job.read("items").select("item_key", "entity", "split")
    left, right = (
        items.select(*(F.col(c).alias(f"{side}_{c}") for c in ("item_key", "entity", "split")))
        for side in ("left", "right")
    )
    return (
        job.read("matches")
        .join(left, F.col("left_key") == F.col("left_item_key"))
        .join(right, F.col("right_key") == F.col("right_item_key"))
        .where("left_split = 'test' OR right_split = 'test'")
    )


def _false_pairs(job: Job) -> list[report.ScoredPair]:
    """The most probable pairs that are wrong."""
    wrong = _pairs_with_truth(job).where("left_entity <> right_entity")
    return _scored_pairs(
        job, wrong.orderBy("probability", "left_id", ascending=[False, True]).limit(_MISTAKES)
    )


def _missed_pairs(job: Job) -> list[report.ScoredPair]:
    """Right pairs that were called improbable, and some, drawn by hash, that were not kept at all."""
    right = _pairs_with_truth(job).where("left_entity = right_entity")
    improbable = right.orderBy("probability", "left_id").limit(_MISTAKES // 2)
    return _scored_pairs(job, improbable) + _never_kept(job)


def _never_kept(job: Job) -> list[report.ScoredPair]:
    from pyspark.sql import functions as F

    alone = [source.name for source in job.context.config.source if source.one_per_entity]
    items = job.read("items").where("split = 'test' AND entity IS NOT NULL")
    a, b = (
        items.select(
            "entity", *(F.col(c).alias(f"{side}_{c}") for c in ("item_key", "item_id", "record_id", "source"))
        )
        for side in ("left", "right")
    )
    true = a.join(b, "entity").where("left_item_key < right_item_key AND left_record_id <> right_record_id")
    true = true.where((F.col("left_source") != F.col("right_source")) | ~F.col("left_source").isin(alone))
    kept = job.read("matches").select(
        F.col("left_key").alias("left_item_key"), F.col("right_key").alias("right_item_key")
    )
    missing = true.join(kept, ["left_item_key", "right_item_key"], "left_anti")
    drawn = missing.orderBy(F.xxhash64("left_item_id", "right_item_id")).limit(_MISTAKES // 2).collect()
    found = _items_by_id(job, [row[side] for row in drawn for side in ("left_item_id", "right_item_id")])
    note = "no candidate, or improbable beyond review"
    return [
        report.ScoredPair(found[row["left_item_id"]], found[row["right_item_id"]], None, note=note)
        for row in drawn
    ]


def _items_by_id(job: Job, ids: Sequence[str]) -> dict[str, report.Item]:
    from pyspark.sql import functions as F

    rows = job.read("items").where(F.col("item_id").isin(sorted(set(ids)))).toPandas().to_dict("records")
    return {row["item_id"]: _item(row) for row in rows}


def _scored_pairs(job: Job, chosen: DataFrame) -> list[report.ScoredPair]:
    pairs = [row.asDict(recursive=True) for row in chosen.collect()]
    items = _items_by_id(job, [row[side] for row in pairs for side in ("left_id", "right_id")])
    return [
        report.ScoredPair(
            items[row["left_id"]],
            items[row["right_id"]],
            float(row["probability"]),
            {name: value for name, value in row["evidence"].items() if name != "attributes"},
        )
        for row in pairs
    ]


def _curves(metrics: Mapping[str, Row]) -> list[report.Curve]:
    chosen = {about: row["value"] for about, row in names.about("threshold", metrics).items()}
    return [
        report.Curve(
            about, **_detail(row), average_precision=row["value"], chosen_threshold=chosen.get(about)
        )
        for about, row in names.about("average_precision", metrics).items()
    ]


def _calibrations(metrics: Mapping[str, Row]) -> list[report.Calibration]:
    found = {
        about: (_detail(row), row["value"])
        for about, row in names.about("calibration_error", metrics).items()
    }
    return [
        report.Calibration(
            formats.pair(about),
            d["probability"],
            d["observed"],
            d["interval"][0],
            d["interval"][1],
            d["count"],
            error,
        )
        for about, (d, error) in found.items()
    ]


def _distributions(metrics: Mapping[str, Row]) -> list[report.Distribution]:
    found = {about: _detail(row) for about, row in names.about("scored_pairs", metrics).items()}
    return [
        report.Distribution(formats.pair(about), d["edges"], d["right"], d["wrong"])
        for about, d in found.items()
    ]


def _rankings(job: Job, metrics: Mapping[str, Row]) -> list[report.Ranking]:
    ks = job.context.config.evaluation.recall_at
    found = []
    for about, row in names.about("map", metrics).items():
        detail = _detail(row)
        recall = {
            k: _measure(f"Recall@{k}", metrics[names.metric_name(names.recall_at(k), about)]) for k in ks
        }
        found.append(
            report.Ranking(
                formats.direction(about),
                detail["queries"],
                detail["gallery"],
                recall,
                _measure("MAP", row),
            )
        )
    return found


def _confusions(metrics: Mapping[str, Row]) -> list[report.Confusion]:
    found = names.about("first_result_class_accuracy", metrics)
    return [
        report.Confusion(formats.direction(about), _detail(row)["classes"], np.array(_detail(row)["counts"]))
        for about, row in found.items()
    ]


def _stages(last: Mapping[str, Row], metrics: Mapping[str, Row], by_class: bool) -> list[report.Stage]:
    ingested, extracted, resolved = last["ingest"].counts, last["extract"].counts, last["resolve"].counts
    stages = [
        report.Stage("items", ingested["items"], f"{ingested['rejects']} rejected"),
        report.Stage("features", extracted["features"], "vectors of all extractors"),
        report.Stage("embeddings", resolved["embedded"]),
    ]
    if by_class:
        return stages
    blocked = names.about("blocking_reduction", metrics).values()
    possible = sum(_detail(row)["possible"] for row in blocked)
    return [
        *stages,
        report.Stage(
            "candidate pairs", resolved["candidates"], f"of {possible:,} possible pairs" if possible else ""
        ),
        report.Stage("scored matches", resolved["scored_matches"], "above the review threshold"),
        report.Stage("entities", resolved["entities"]),
    ]


def _rejects(job: Job) -> list[report.Reject]:
    from pyspark.sql import functions as F

    rows: Sequence[Row] = (
        job.read("rejects")
        .groupBy("reason")
        .agg(
            F.count("*").alias("found"),
            F.slice(F.array_sort(F.collect_list(F.struct("source", "key", "detail"))), 1, _EXAMPLES).alias(
                "some"
            ),
        )
        .orderBy("reason")
        .collect()
    )
    return [
        report.Reject(
            row["reason"], row["found"], [(f"{e['source']}/{e['key']}", e["detail"]) for e in row["some"]]
        )
        for row in rows
    ]
