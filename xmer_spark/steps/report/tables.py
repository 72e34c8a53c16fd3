"""What the report reads: small selections, drawn by hash so that they do not flatter."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xmer_spark.report import data as report
from xmer_spark.steps.described import alone
from xmer_spark.steps.evaluate import tables as evaluated
from xmer_spark.steps.report import examples
from xmer_spark.store.runs import Metric

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from xmer_spark.store.runs import Job

#: Pairs that are shown of a kind of mistake, and rejects of a reason.
_MISTAKES = 12
_EXAMPLES = 5

_SHOWN = ("record_id", "record_key", "source", "fields")


def metrics(job: Job, run_ids: Sequence[str]) -> dict[str, Metric]:
    """The metrics of these runs by name, in the order of their names."""
    from pyspark.sql import functions as F

    rows = job.read("metrics").where(F.col("run_id").isin(*run_ids)).orderBy("name").collect()
    return {
        row["name"]: Metric(
            row["name"], row["value"], row["low"], row["high"], json.loads(row["detail"] or "null")
        )
        for row in rows
    }


def gallery(job: Job, measured: bool) -> report.Gallery:
    """Some entities of several records; where truth was ``measured``, those with a held-out one."""
    from pyspark.sql import functions as F

    entities, chosen = job.read("entities").where("size > 1"), "drawn at random among those with a match"
    if measured:
        records = job.read("records").where("split = 'test'").select("record_id")
        held_out = job.read("members").join(records, "record_id").select("entity_id")
        entities = entities.join(held_out, "entity_id", "left_semi")
        chosen = "drawn at random among those with a held-out record and a match"
    drawn = entities.orderBy(F.xxhash64("entity_id")).limit(job.context.config.report.gallery)
    rows = sorted((row.asDict() for row in drawn.collect()), key=lambda row: row["entity_id"])
    found = _related(job, [row["entity_id"] for row in rows])
    return report.Gallery([examples.entity(row, found) for row in rows], entities.count(), chosen)


def false_pairs(job: Job) -> list[report.ScoredPair]:
    """The wrong pairs that were decided to be the most probable."""
    from pyspark.sql import functions as F

    wrong = _pairs_with_truth(job).where("left_entity <> right_entity")
    return _scored_pairs(job, wrong, F.col("decided").desc(), _MISTAKES)


def missed_pairs(job: Job) -> list[report.ScoredPair]:
    """Right pairs that were decided to be improbable, and some, drawn by hash, that were not kept at all."""
    from pyspark.sql import functions as F

    right = _pairs_with_truth(job).where("left_entity = right_entity")
    improbable = _scored_pairs(job, right, F.col("decided").asc(), _MISTAKES // 2)
    return improbable + _never_kept(job, _MISTAKES // 2)


def rejects(job: Job) -> list[report.Reject]:
    """The refused inputs by reason, with some of each."""
    from pyspark.sql import functions as F

    some = F.slice(F.array_sort(F.collect_list(F.struct("source", "key", "field", "detail"))), 1, _EXAMPLES)
    grouped = job.read("rejects").groupBy("reason").agg(F.count("*").alias("found"), some.alias("some"))
    return [
        report.Reject(row["reason"], row["found"], [(_refused(each), each["detail"]) for each in row["some"]])
        for row in grouped.orderBy("reason").collect()
    ]


def _refused(row: Any) -> str:
    """What was refused: a record, or one of its fields."""
    return f"{row['source']}/{row['key']}" + (f"#{row['field']}" if row["field"] else "")


def _related(job: Job, entity_ids: list[str]) -> list[dict[str, Any]]:
    """The records of these entities, and those that the truth says they lack, with where they went."""
    from pyspark.sql import functions as F

    members = job.read("members").select("record_id", "entity_id", "confidence")
    everything = job.read("records").select(*_SHOWN, "entity").join(members, "record_id")
    mine = everything.where(F.col("entity_id").isin(entity_ids))
    truths = mine.select("entity").where("entity IS NOT NULL").distinct()
    related = everything.join(truths, "entity", "left_semi").unionByName(mine)
    return _with_contents(job, related.dropDuplicates(["record_id"]))


def _pairs_with_truth(job: Job) -> DataFrame:
    """Matches with a held-out side, and the true entities of both."""
    from pyspark.sql import functions as F

    records = job.read("records")
    left, right = (
        records.select(*(F.col(name).alias(f"{side}_{name}") for name in ("record_key", "entity", "split")))
        for side in ("left", "right")
    )
    return (
        job.read("matches")
        .join(left, F.col("left_key") == F.col("left_record_key"))
        .join(right, F.col("right_key") == F.col("right_record_key"))
        .where("left_split = 'test' OR right_split = 'test'")
    )


def _scored_pairs(job: Job, pairs: DataFrame, order: Column, most: int) -> list[report.ScoredPair]:
    """The first of these matches, with their records."""
    chosen = pairs.orderBy(order, "left_id", "right_id").limit(most).collect()
    rows = [row.asDict(recursive=True) for row in chosen]
    records = _by_key(job, [row[side] for row in rows for side in ("left_key", "right_key")])
    return [examples.scored_pair(row, records) for row in rows]


def _never_kept(job: Job, most: int) -> list[report.ScoredPair]:
    """True pairs of held-out records that are no matches, drawn by hash."""
    import pandas as pd
    from pyspark.sql import functions as F

    known = evaluated.held_out(job)
    rows = known.true_pairs(alone(job.context.config))
    keys = np.sort(known.key[np.stack(rows)], axis=0)
    true = job.context.spark.createDataFrame(
        pd.DataFrame({"left_key": keys[0], "right_key": keys[1]}), "left_key bigint, right_key bigint"
    )
    kept = job.read("matches").select("left_key", "right_key")
    missing = true.join(kept, ["left_key", "right_key"], "left_anti")
    drawn = missing.orderBy(F.xxhash64("left_key", "right_key")).limit(most).collect()
    records = _by_key(job, [key for row in drawn for key in row])
    return examples.unscored_pairs([(row["left_key"], row["right_key"]) for row in drawn], records)


def _by_key(job: Job, keys: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The records of these keys, by key."""
    from pyspark.sql import functions as F

    records = job.read("records").where(F.col("record_key").isin(sorted(set(keys)))).select(*_SHOWN)
    return {row["record_key"]: row for row in _with_contents(job, records)}


def _with_contents(job: Job, records: DataFrame) -> list[dict[str, Any]]:
    """Rows of records with their ``contents``: field, modality, text and image of their items, by field."""
    from pyspark.sql import functions as F

    chosen = job.read("items").join(records.select("record_key"), "record_key", "left_semi")
    content = F.struct("field", "modality", "text", "image")
    contents = chosen.groupBy("record_key").agg(F.array_sort(F.collect_list(content)).alias("contents"))
    found = records.join(contents, "record_key", "left").orderBy("record_id")
    return [row.asDict(recursive=True) for row in found.collect()]
