"""What the report reads: small selections, drawn by hash so that they do not flatter."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any

import numpy as np

from xmer_spark.report import data as report
from xmer_spark.steps.evaluate import tables as evaluated
from xmer_spark.steps.report import examples
from xmer_spark.store.runs import Metric

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from xmer_spark.store.runs import Job

#: Pairs that are shown of a kind of mistake, and rejects of a reason.
_MISTAKES = 12
_EXAMPLES = 5

_SHOWN = ("item_id", "source", "modality", "text", "image", "attributes")


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


def gallery(job: Job) -> report.Gallery:
    """Some of the entities with a held-out item and at least two items."""
    from pyspark.sql import functions as F

    items = job.read("items").where("split = 'test'").select("item_id")
    held_out = job.read("members").join(items, "item_id").select("entity_id").distinct()
    entities = job.read("entities").join(held_out, "entity_id").where("size > 1")
    drawn = entities.orderBy(F.xxhash64("entity_id")).limit(job.context.config.report.gallery)
    rows = sorted((row.asDict() for row in drawn.collect()), key=lambda row: row["entity_id"])
    found = _related(job, [row["entity_id"] for row in rows])
    return report.Gallery(
        [examples.entity(row, found) for row in rows],
        entities.count(),
        "drawn at random among those with a held-out item and a match",
    )


def false_pairs(job: Job) -> list[report.ScoredPair]:
    """The most probable pairs that are wrong."""
    from pyspark.sql import functions as F

    wrong = _pairs_with_truth(job).where("left_entity <> right_entity")
    return _scored_pairs(job, wrong, F.col("probability").desc(), _MISTAKES)


def missed_pairs(job: Job) -> list[report.ScoredPair]:
    """Right pairs that were called improbable, and some, drawn by hash, that were not kept at all."""
    from pyspark.sql import functions as F

    right = _pairs_with_truth(job).where("left_entity = right_entity")
    improbable = _scored_pairs(job, right, F.col("probability").asc(), _MISTAKES // 2)
    return improbable + _never_kept(job, _MISTAKES // 2)


def rejects(job: Job) -> list[report.Reject]:
    """The refused inputs by reason, with some of each."""
    from pyspark.sql import functions as F

    some = F.slice(F.array_sort(F.collect_list(F.struct("source", "key", "detail"))), 1, _EXAMPLES)
    grouped = job.read("rejects").groupBy("reason").agg(F.count("*").alias("found"), some.alias("some"))
    return [
        report.Reject(
            row["reason"], row["found"], [(f"{e['source']}/{e['key']}", e["detail"]) for e in row["some"]]
        )
        for row in grouped.orderBy("reason").collect()
    ]


def _related(job: Job, entity_ids: list[str]) -> list[dict[str, Any]]:
    """The items of these entities, and those that the truth says they lack, with where they went."""
    from pyspark.sql import functions as F

    members = job.read("members").select("item_id", "entity_id", "confidence")
    everything = job.read("items").select(*_SHOWN, "entity").join(members, "item_id")
    mine = everything.where(F.col("entity_id").isin(entity_ids))
    truths = mine.select("entity").where("entity IS NOT NULL").distinct()
    related = everything.join(truths, "entity", "left_semi").unionByName(mine).dropDuplicates(["item_id"])
    return [row.asDict() for row in related.orderBy("item_id").collect()]


def _pairs_with_truth(job: Job) -> DataFrame:
    """Matches of two records with a held-out side, and the true entities of both."""
    from pyspark.sql import functions as F

    names = ("item_key", "entity", "split", "record_id")
    items = job.read("items")
    left, right = (
        items.select(*(F.col(name).alias(f"{side}_{name}") for name in names)) for side in ("left", "right")
    )
    return (
        job.read("matches")
        .join(left, F.col("left_key") == F.col("left_item_key"))
        .join(right, F.col("right_key") == F.col("right_item_key"))
        .where("left_record_id <> right_record_id AND (left_split = 'test' OR right_split = 'test')")
    )


def _scored_pairs(job: Job, pairs: DataFrame, order: Column, most: int) -> list[report.ScoredPair]:
    """The first of these matches, with their items."""
    chosen = pairs.orderBy(order, "left_id", "right_id").limit(most).collect()
    rows = [row.asDict(recursive=True) for row in chosen]
    items = _items_by(job, "item_id", [row[side] for row in rows for side in ("left_id", "right_id")])
    return [examples.scored_pair(row, items) for row in rows]


def _never_kept(job: Job, most: int) -> list[report.ScoredPair]:
    """True pairs of held-out items that are no matches, drawn by hash."""
    import pandas as pd
    from pyspark.sql import functions as F

    known = evaluated.held_out_items(job)
    alone = {source.name for source in job.context.config.source if source.one_per_entity}
    pairs = combinations_with_replacement(sorted(set(known.modality)), 2)
    rows = np.hstack([np.empty((2, 0), np.int64), *(known.true_pairs(a, b, alone) for a, b in pairs)])
    keys = np.sort(known.key[rows], axis=0)
    true = job.context.spark.createDataFrame(
        pd.DataFrame({"left_key": keys[0], "right_key": keys[1]}), "left_key bigint, right_key bigint"
    )
    kept = job.read("matches").select("left_key", "right_key")
    missing = true.join(kept, ["left_key", "right_key"], "left_anti")
    drawn = missing.orderBy(F.xxhash64("left_key", "right_key")).limit(most).collect()
    items = _items_by(job, "item_key", [key for row in drawn for key in row])
    return examples.unscored_pairs([(row["left_key"], row["right_key"]) for row in drawn], items)


def _items_by(job: Job, column: str, values: Sequence[Any]) -> dict[Any, dict[str, Any]]:
    """The items of these ids or keys, by these."""
    from pyspark.sql import functions as F

    rows = job.read("items").where(F.col(column).isin(sorted(set(values)))).select("item_key", *_SHOWN)
    return {row[column]: row.asDict() for row in rows.collect()}
