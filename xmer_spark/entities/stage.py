"""Clusters -> members, entities and events, on Spark.

What changed since the previous publication is decided on the driver, from overlaps of old entities with new
clusters; everything else stays distributed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from xmer_spark.entities.cohesion import entity_links
from xmer_spark.entities.identity import Overlaps, decide
from xmer_spark.entities.merging.stage import Merging, merged
from xmer_spark.numerics.arrow import strings
from xmer_spark.schema import ENTITIES, ENTITY_EVENTS, MEMBERS, MODALITIES, Table

#: Characters of an entity's title.
TITLE = 80
#: Units of a probability of one: fine enough that what is lost tells no two records apart, and few enough
#: that the sum over eight million links of a record is still a bigint.
STRENGTH_UNITS = 1 << 40


class Published(NamedTuple):
    """What a run publishes: rows of the tables members, entities and entity_events."""

    members: DataFrame
    entities: DataFrame
    events: DataFrame


def build_entities(
    records: DataFrame,
    clusters: DataFrame,
    matches: DataFrame,
    merging: Merging,
    previous_members: DataFrame,
    previous_entities: DataFrame,
    run_id: str,
    run_order: Sequence[str] = (),
) -> Published:
    """Clusters as entities with stable ids, their members, and what changed since the previous publication.

    ``records`` has record_id, record_key, source, label, modalities (sorted), title (its text or name, NULL
    where it has none) and items, a map of modality to item id; ``clusters`` record_key and cluster;
    ``matches`` left_key, right_key and probability; ``merging`` is what entities' values are made of; the
    previous tables may be empty. ``run_order`` names earlier runs, oldest first: entities of earlier runs are
    older, those of runs not named youngest. On the driver are the overlaps of old entities with clusters that
    differ from them, a row each: at most as many as the previous members of changed entities, about 200 bytes
    each. What all three rest on is kept on the executors' disks once it was computed.
    """
    columns = ("record_id", "record_key", "source", "label", "modalities", "items")
    titled = records.select(*columns, _title(F.col("title")).alias("title"))
    described = _kept(titled.join(clusters, "record_key"))
    ids, events = _identities(described, previous_members, previous_entities, run_id, run_order)
    inside = _kept(_inside(described, matches))
    placed = _kept(described.join(ids, "cluster").join(_strengths(inside), "record_key", "left"))
    members = _members(placed, previous_members, run_id)
    links = inside.repartition("cluster").mapInArrow(
        entity_links, "cluster bigint, cohesion float, lowest_link float"
    )
    entities = _entities(placed, links, merged(placed, merging), previous_entities, run_id)
    return Published(members, entities, events)


def problems(records: DataFrame, members: DataFrame, entities: DataFrame) -> DataFrame:
    """What must not be published: problem, culprit; no row in a sound publication.

    ``records`` has record_id; ``members`` and ``entities`` are tables.
    """
    by_record = _counted(
        "record_id", records=records.select("record_id"), members=members.select("record_id")
    )
    by_entity = _counted(
        "entity_id",
        F.max("size").alias("size"),
        entities=entities.select("entity_id", "size"),
        members=members.select("entity_id"),
    )
    return _named(
        by_record,
        "record_id",
        {
            "records without an entity": "records > 0 AND members = 0",
            "members that are no records": "records = 0",
            "records in several entities": "members > 1",
        },
    ).union(
        _named(
            by_entity,
            "entity_id",
            {
                "members of unknown entities": "entities = 0",
                "entities that are there twice": "entities > 1",
                "entities whose size is wrong": "entities > 0 AND NOT size <=> members",
            },
        )
    )


def _counted(key: str, *more: Column, **frames: DataFrame) -> DataFrame:
    """How many rows each frame has of a key, in a column by the frame's name, and ``more`` aggregates."""
    marked = (frame.withColumn("frame", F.lit(name)) for name, frame in frames.items())
    together = reduce(lambda a, b: a.unionByName(b, allowMissingColumns=True), marked)
    counts = [F.count_if(F.col("frame") == name).alias(name) for name in frames]
    return together.groupBy(key).agg(*counts, *more)


def _named(rows: DataFrame, key: str, problems: Mapping[str, str]) -> DataFrame:
    """The problems whose SQL condition a row meets: problem, culprit."""
    found = F.array_compact(F.array(*(F.when(F.expr(sql), F.lit(name)) for name, sql in problems.items())))
    return rows.select(F.explode(found).alias("problem"), F.col(key).alias("culprit"))


def _kept(rows: DataFrame) -> DataFrame:
    """The rows on the executors' disks once they are computed, without the plan that made them.

    Spark tells a plan whole, with those of what it rests on, whenever a stage ends; that took longer than the
    work.
    """
    return rows.localCheckpoint(eager=False, storageLevel=StorageLevel.DISK_ONLY)


def _identities(
    described: DataFrame,
    previous_members: DataFrame,
    previous_entities: DataFrame,
    run_id: str,
    run_order: Sequence[str],
) -> tuple[DataFrame, DataFrame]:
    """The entity id of every cluster, and the events.

    Clusters that are one old entity unchanged keep its id, and those that hold no old record are new; only
    the rest is decided on the driver.
    """
    spark = described.sparkSession
    sizes = described.groupBy("cluster").agg(F.count("*").alias("cluster_size"))
    before = previous_entities.select("entity_id", F.col("size").alias("entity_size"), "first_run")
    shared = _kept(
        described.select("record_id", "cluster")
        .join(previous_members.select("record_id", "entity_id"), "record_id")
        .groupBy("entity_id", "cluster")
        .agg(F.count("*").alias("records"))
        .join(sizes, "cluster")
        .join(before, "entity_id")
    )
    same = (F.col("records") == F.col("entity_size")) & (F.col("records") == F.col("cluster_size"))
    ids, events = _decided(shared.where(~same), run_id, run_order)

    new = sizes.join(shared, "cluster", "left_anti").withColumn(
        "entity_id", F.concat(F.lit("e-"), _short_hash(F.lit(run_id), F.col("cluster")))
    )
    gone = before.join(shared, "entity_id", "left_anti")
    all_ids = shared.where(same).select("cluster", "entity_id").union(new.select("cluster", "entity_id"))
    return (
        all_ids.union(spark.createDataFrame(ids)),
        _event(new, "created", F.lit(0), F.col("cluster_size"), run_id)
        .union(_event(gone, "retired", F.col("entity_size"), F.lit(0), run_id))
        .union(spark.createDataFrame(events, _fields(ENTITY_EVENTS))),
    )


def _decided(shared: DataFrame, run_id: str, run_order: Sequence[str]) -> tuple[pa.Table, pa.Table]:
    """``identity.decide`` on the entities and clusters that changed and have records in common."""
    table = shared.toArrow()
    order = {run: place for place, run in enumerate(run_order)}
    age = np.array([order.get(run, len(order)) for run in table["first_run"].to_pylist()], np.int64)
    names, one, entity = np.unique(strings(table["entity_id"]), return_index=True, return_inverse=True)
    clusters, first, place = np.unique(table["cluster"].to_numpy(), return_index=True, return_inverse=True)
    overlaps = Overlaps(
        names,
        table["entity_size"].to_numpy()[one],
        age[one],
        clusters,
        table["cluster_size"].to_numpy()[first],
        entity,
        place,
        table["records"].to_numpy(),
    )
    decision = decide(overlaps, run_id)
    ids = pa.table(
        {"cluster": pa.array(clusters, pa.int64()), "entity_id": pa.array(decision.ids, pa.string())}
    )
    return ids, decision.events


def _short_hash(*parts: Column) -> Column:
    """``identity.short_hash`` in SQL."""
    return F.substring(F.sha2(F.concat_ws("\n", *(part.cast("string") for part in parts)), 256), 1, 16)


def _event(changed: DataFrame, kind: str, before: Column, after: Column, run_id: str) -> DataFrame:
    return changed.select(
        _short_hash(F.lit(run_id), F.lit(kind), F.col("entity_id")).alias("event_id"),
        F.lit(run_id).alias("run_id"),
        F.lit(kind).alias("kind"),
        "entity_id",
        F.array().cast("array<string>").alias("others"),
        before.cast("int").alias("records_before"),
        after.cast("int").alias("records_after"),
    )


def _inside(described: DataFrame, matches: DataFrame) -> DataFrame:
    """The scored pairs whose records are in one cluster: cluster, left_key, right_key, probability."""
    left, right = (
        described.select(F.col("record_key").alias(f"{side}_key"), F.col("cluster").alias(f"{side}_cluster"))
        for side in ("left", "right")
    )
    return (
        matches.select("left_key", "right_key", "probability")
        .join(left, "left_key")
        .join(right, "right_key")
        .where("left_cluster = right_cluster")
        .select(F.col("left_cluster").alias("cluster"), "left_key", "right_key", "probability")
    )


def _strengths(inside: DataFrame) -> DataFrame:
    """How well each record is connected inside its cluster: the sum and the largest of its probabilities.

    The sum is one of whole numbers, so that the order in which its links arrive is of no consequence.
    """
    units = F.round(F.col("probability").cast("double") * F.lit(STRENGTH_UNITS)).cast("bigint")
    return (
        inside.select(F.explode(F.array("left_key", "right_key")).alias("record_key"), "probability")
        .groupBy("record_key")
        .agg(
            F.sum(units).alias("strength"),
            F.max("probability").alias("confidence"),
        )
    )


def _members(placed: DataFrame, previous: DataFrame, run_id: str) -> DataFrame:
    members = placed.withColumn("confidence", F.coalesce("confidence", F.lit(1.0)).cast("float"))
    return _dated(members, previous, MEMBERS, run_id)


def _entities(
    placed: DataFrame, links: DataFrame, values: DataFrame, previous: DataFrame, run_id: str
) -> DataFrame:
    summary = (
        placed.groupBy("entity_id", "cluster")
        .agg(
            F.count("*").cast("int").alias("size"),
            F.array_sort(F.array_distinct(F.flatten(F.collect_set("modalities")))).alias("modalities"),
            F.array_sort(F.collect_set("source")).alias("sources"),
            F.mode("label", True).alias("label"),
            F.coalesce(_of_best(F.col("title")), _of_best(F.col("record_id"))).alias("title"),
            *(_of_best(F.col("items")[modality]).alias(modality) for modality in MODALITIES),
        )
        .join(links, "cluster", "left")
        .join(values, "cluster", "left")
    )
    chosen = F.array(*(F.struct(F.lit(m).alias("key"), F.col(m).alias("value")) for m in MODALITIES))
    entities = summary.withColumns(
        {
            "representatives": F.map_from_entries(F.filter(chosen, lambda entry: entry["value"].isNotNull())),
            "cohesion": F.coalesce("cohesion", F.lit(1.0)).cast("float"),
            "lowest_link": F.coalesce("lowest_link", F.lit(1.0)).cast("float"),
            **{name: F.coalesce(name, _nothing()) for name in ("values", "value_records")},
        }
    )
    return _dated(entities, previous, ENTITIES, run_id)


def _nothing() -> Column:
    return F.create_map().cast("map<string,string>")


def _of_best(value: Column) -> Column:
    """The value of the best connected record that has one; of equally connected ones, the least record id."""
    worse = F.struct(-F.coalesce("strength", F.lit(0)), F.col("record_id"))
    return F.min_by(value, F.when(value.isNotNull(), worse))


def _title(text: Column) -> Column:
    """A text in one line, cut after a word; NULL where nothing is left."""
    line = F.trim(F.regexp_replace(text, r"\s+", " "))
    words = F.regexp_extract(F.substring(line, 1, TITLE + 1), r"^(.*\S) ", 1)
    cut = F.when(words != "", words).otherwise(F.substring(line, 1, TITLE))
    return F.nullif(F.when(F.length(line) <= TITLE, line).otherwise(cut), F.lit(""))


def _dated(rows: DataFrame, previous: DataFrame, table: Table, run_id: str) -> DataFrame:
    """The table's rows with first_run and last_run: those that are as before keep both."""
    content = [c for c in table.column_names if c not in ("first_run", "last_run")]
    new = rows.select(*content).alias("new")
    old = previous.select(*table.column_names).alias("old")
    same = F.lit(True)
    for column in table.columns:
        if column.name in content:
            a, b = (_comparable(F.col(f"{side}.{column.name}"), column.type) for side in ("new", "old"))
            same &= a.eqNullSafe(b)
    key = [F.col(f"new.{name}") == F.col(f"old.{name}") for name in table.key]
    columns = {name: F.col(f"new.{name}") for name in content} | {
        "first_run": F.coalesce("old.first_run", F.lit(run_id)),
        "last_run": F.when(same, F.col("old.last_run")).otherwise(F.lit(run_id)),
    }
    return new.join(old, key, "left").select(*(columns[name].alias(name) for name in table.column_names))


def _comparable(column: Column, kind: str) -> Column:
    return F.array_sort(F.map_entries(column)) if kind.startswith("map") else column


def _fields(table: Table) -> str:
    return ", ".join(f"{column.name} {column.type}" for column in table.columns)
