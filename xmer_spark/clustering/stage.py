"""Clustering on Spark: matches -> clusters -> members, entities and events.

Links above the threshold, and the items they touch, come to the driver if they are few enough; else nothing
but counts does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from xmer_spark.clustering.base import Clusterer
from xmer_spark.clustering.cohesion import entity_links
from xmer_spark.clustering.contraction import EDGE, LABEL, connect, no_loops
from xmer_spark.clustering.exchange import SparkExchange
from xmer_spark.clustering.identity import Overlaps, decide
from xmer_spark.clustering.links import (
    Threshold,
    lowest,
    no_items,
    no_threshold,
    solve_tables,
    strings,
    thresholds,
)
from xmer_spark.clustering.placing import (
    CLUSTER,
    LINK,
    MATCH,
    MISSING,
    NODE,
    UNDECIDED,
    Tally,
    Tasks,
    find_links,
)
from xmer_spark.schema import ENTITIES, ENTITY_EVENTS, MEMBERS, MODALITIES, Table

log = logging.getLogger(__name__)

#: Characters of an entity's title.
TITLE = 80


class Published(NamedTuple):
    """What a run publishes: rows of the tables members, entities and entity_events."""

    members: DataFrame
    entities: DataFrame
    events: DataFrame


def cluster_matches(
    items: DataFrame,
    matches: DataFrame,
    clusterer: Clusterer,
    threshold: Threshold,
    one_per_entity: Iterable[str],
    max_driver_edges: int,
    max_component_links: int = 2_000_000,
    task_links: int = 1_000_000,
    measure: Callable[[str, float], None] | None = None,
) -> DataFrame:
    """The cluster of every item: item_key, cluster (its least item key), both bigint.

    ``items`` has item_key, source, record_id and modality; items of one record are together. A match counts
    by its log-odds above the threshold. No cluster holds two records of a source of ``one_per_entity``, if
    the clusterer heeds that. Up to ``max_driver_edges`` matches above the threshold come to the driver with
    the items of the records that they touch, about 100 bytes each; more are clustered in tasks of about
    ``task_links`` each, to the same end. A component of more than ``max_component_links``, if the clusterer
    divides components at all, loses its weakest links; how many is told to ``measure``.
    """
    records = items.select(
        "item_key",
        "source",
        "modality",
        F.min("item_key").over(Window.partitionBy("record_id")).alias("record"),
    )
    alone = sorted(set(one_per_entity))
    links = matches.where(F.col("probability") >= F.lit(lowest(threshold))).select(
        "left_key", "right_key", "probability"
    )
    count = links.count()
    if count <= max_driver_edges:
        solved, tally = _on_driver(records, links, clusterer, threshold, alone, max_component_links)
    else:
        exchange = SparkExchange(_kept)
        tasks = Tasks(exchange, clusterer, max_component_links, task_links)
        solved, tally = _in_tasks(records, links, exchange, tasks, threshold, alone)
    tally.tell(measure)
    return records.join(solved, "item_key", "left").select(
        "item_key", F.coalesce("cluster", "record").alias("cluster")
    )


def connected_components(edges: DataFrame, task_edges: int = 1_000_000) -> DataFrame:
    """The component of every node that an edge touches: node, component (its least node), both bigint.

    ``edges`` has two bigint columns; what a task receives is about ``task_edges``.
    """
    exchange = SparkExchange(_kept)
    kept, counts = exchange.keep(exchange.read(edges, EDGE, no_loops))
    labels, rounds = connect(exchange, kept, counts.get(EDGE, 0), task_edges)
    log.info("clustering: components of %s edges in %s rounds", f"{counts.get(EDGE, 0):,}", rounds)
    return exchange.rows(labels, LABEL, "node", "component")


def _on_driver(
    records: DataFrame,
    matches: DataFrame,
    clusterer: Clusterer,
    threshold: Threshold,
    alone: Sequence[str],
    most: int,
) -> tuple[DataFrame, Tally]:
    """The clusters of the items that links touch: item_key, cluster."""
    spark = records.sparkSession
    links = matches.toArrow()
    ends = np.stack([links["left_key"].to_numpy(), links["right_key"].to_numpy()], axis=1)
    touched = spark.createDataFrame(pa.table({"item_key": np.unique(ends)}))
    touched_records = records.join(touched, "item_key", "left_semi").select("record")
    nodes = records.join(touched_records, "record", "left_semi").toArrow().sort_by("item_key")
    keys, solved = solve_tables(nodes, links, clusterer, threshold, alone, most)
    table = pa.table(
        {"item_key": pa.array(keys, pa.int64()), "cluster": pa.array(solved.cluster, pa.int64())}
    )
    return spark.createDataFrame(table), Tally(solved.split, solved.removed)


def _in_tasks(
    records: DataFrame,
    matches: DataFrame,
    exchange: SparkExchange,
    tasks: Tasks,
    threshold: Threshold,
    alone: Sequence[str],
) -> tuple[DataFrame, Tally]:
    """The same, by an exchange of blocks between tasks."""
    names = sorted(MODALITIES)
    nodes = records.select("item_key", "record", _place_in(alone, "source"), _place_in(names, "modality"))
    matched = matches
    for side in ("left", "right"):
        ends = nodes.select(
            F.col("item_key").alias(f"{side}_key"),
            F.col("record").alias(f"{side}_record"),
            F.col("modality").alias(f"{side}_modality"),
        )
        matched = matched.join(ends, f"{side}_key", "left")
    rows = matched.select(
        "left_key",
        "right_key",
        F.col("probability").cast("double"),
        F.coalesce("left_record", F.lit(0)),
        F.coalesce("right_record", F.lit(0)),
        F.coalesce("left_modality", F.lit(-1)),
        F.coalesce("right_modality", F.lit(-1)),
    )
    linking = partial(find_links, least=thresholds(names, threshold))
    links, counts = exchange.keep(exchange.read(rows, MATCH, linking))
    if counts.get(MISSING):
        raise no_items()
    if counts.get(UNDECIDED):
        pair = exchange.collect(links, UNDECIDED, 2)[:, 0]
        raise no_threshold(names[pair[0]], names[pair[1]])
    links = exchange.only(links, LINK)
    if not tasks.clusterer.refines:
        labels = tasks.components(links)
        known = exchange.rows(labels, LABEL, "record", "cluster")
        return records.join(known, "record").select("item_key", "cluster"), Tally(0, 0)
    read = exchange.read(nodes.select("item_key", "record", "source"), NODE)
    clusters, tally = tasks.cluster(read, links, counts.get(LINK, 0))
    return exchange.rows(clusters, CLUSTER, "item_key", "cluster"), tally


def _place_in(names: Sequence[str], column: str) -> Column:
    """The place of a string in a list, from 0; -1 where it is not there."""
    listed = F.array(*(F.lit(name) for name in names)).cast("array<string>")
    return (F.array_position(listed, F.col(column)) - 1).alias(column)


def _kept(frame: DataFrame) -> DataFrame:
    """Computed once, and cut off from its plan, which would grow with every round."""
    if frame.sparkSession.sparkContext.getCheckpointDir():
        return frame.checkpoint()
    return frame.localCheckpoint(True, StorageLevel.DISK_ONLY)


def build_entities(
    items: DataFrame,
    clusters: DataFrame,
    matches: DataFrame,
    previous_members: DataFrame,
    previous_entities: DataFrame,
    run_id: str,
    run_order: Sequence[str] = (),
) -> Published:
    """Clusters as entities with stable ids, their members, and what changed since the previous publication.

    ``items`` has item_id, item_key, source, record_id, modality, label and text; ``clusters`` item_key and
    cluster; the previous tables may be empty. ``run_order`` names earlier runs, oldest first: entities of
    earlier runs are older, those of runs not named youngest. On the driver are the overlaps of old
    entities with clusters that differ from them, a row each: at most as many as the previous members of
    changed entities, about 200 bytes each.
    """
    described = items.select("item_id", "item_key", "source", "record_id", "modality", "label", "text").join(
        clusters, "item_key"
    )
    ids, events = _identities(described, previous_members, previous_entities, run_id, run_order)
    inside = _inside(described, matches)
    placed = described.join(ids, "cluster").join(_strengths(inside), "item_key", "left")
    members = _members(placed, previous_members, run_id)
    links = inside.repartition("cluster").mapInArrow(
        entity_links, "cluster bigint, cohesion float, lowest_link float"
    )
    entities = _entities(placed, links, previous_entities, run_id)
    return Published(members, entities, events)


def _identities(
    described: DataFrame,
    previous_members: DataFrame,
    previous_entities: DataFrame,
    run_id: str,
    run_order: Sequence[str],
) -> tuple[DataFrame, DataFrame]:
    """The entity id of every cluster, and the events.

    Clusters that are one old entity unchanged keep its id, and those that hold no old item are new; only
    the rest is decided on the driver.
    """
    spark = described.sparkSession
    sizes = described.groupBy("cluster").agg(F.count("*").alias("cluster_size"))
    before = previous_entities.select("entity_id", F.col("size").alias("entity_size"), "first_run")
    shared = (
        described.select("item_id", "cluster")
        .join(previous_members.select("item_id", "entity_id"), "item_id")
        .groupBy("entity_id", "cluster")
        .agg(F.count("*").alias("items"))
        .join(sizes, "cluster")
        .join(before, "entity_id")
    )
    same = (F.col("items") == F.col("entity_size")) & (F.col("items") == F.col("cluster_size"))
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
    """``identity.decide`` on the entities and clusters that changed and have items in common."""
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
        table["items"].to_numpy(),
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
        before.cast("int").alias("items_before"),
        after.cast("int").alias("items_after"),
    )


def _inside(described: DataFrame, matches: DataFrame) -> DataFrame:
    """The scored pairs whose items are in one cluster: cluster, keys and records of both, probability."""
    place = described.select("item_key", "cluster", F.xxhash64("record_id").alias("record"))
    left, right = (
        place.select(*(F.col(name).alias(f"{side}_{name}") for name in place.columns)).withColumnRenamed(
            f"{side}_item_key", f"{side}_key"
        )
        for side in ("left", "right")
    )
    return (
        matches.select("left_key", "right_key", "probability")
        .join(left, "left_key")
        .join(right, "right_key")
        .where("left_cluster = right_cluster")
        .withColumnRenamed("left_cluster", "cluster")
        .drop("right_cluster")
    )


def _strengths(inside: DataFrame) -> DataFrame:
    """How well each item is connected inside its cluster: the sum and the largest of its probabilities.

    A sum of floats in double precision is exact for up to some ten thousand links an item, so their order
    is of no consequence.
    """
    return (
        inside.select(F.explode(F.array("left_key", "right_key")).alias("item_key"), "probability")
        .groupBy("item_key")
        .agg(
            F.sum(F.col("probability").cast("double")).alias("strength"),
            F.max("probability").alias("confidence"),
        )
    )


def _members(placed: DataFrame, previous: DataFrame, run_id: str) -> DataFrame:
    members = placed.withColumn("confidence", F.coalesce("confidence", F.lit(1.0)).cast("float"))
    return _dated(members, previous, MEMBERS, run_id)


def _entities(placed: DataFrame, links: DataFrame, previous: DataFrame, run_id: str) -> DataFrame:
    best = [
        F.min(
            F.when(
                F.col("modality") == modality,
                F.struct(-F.coalesce("strength", F.lit(0.0)), F.col("item_id"), F.col("text")),
            )
        ).alias(modality)
        for modality in MODALITIES
    ]
    summary = (
        placed.groupBy("entity_id", "cluster")
        .agg(
            F.count("*").cast("int").alias("size"),
            F.array_sort(F.collect_set("modality")).alias("modalities"),
            F.array_sort(F.collect_set("source")).alias("sources"),
            F.min("item_id").alias("first_item"),
            F.mode("label", True).alias("label"),
            *best,
        )
        .join(links, "cluster", "left")
    )
    chosen = F.array(
        *(F.struct(F.lit(m).alias("key"), F.col(f"{m}.item_id").alias("value")) for m in MODALITIES)
    )
    entities = summary.withColumns(
        {
            "representatives": F.map_from_entries(F.filter(chosen, lambda entry: entry["value"].isNotNull())),
            "title": F.coalesce(_title(F.col("text.text")), "first_item"),
            "cohesion": F.coalesce("cohesion", F.lit(1.0)).cast("float"),
            "lowest_link": F.coalesce("lowest_link", F.lit(1.0)).cast("float"),
        }
    )
    return _dated(entities, previous, ENTITIES, run_id)


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
    return new.join(old, key, "left").select(
        *(F.col(f"new.{name}") for name in content),
        F.coalesce("old.first_run", F.lit(run_id)).alias("first_run"),
        F.when(same, F.col("old.last_run")).otherwise(F.lit(run_id)).alias("last_run"),
    )


def _comparable(column: Column, kind: str) -> Column:
    return F.array_sort(F.map_entries(column)) if kind.startswith("map") else column


def _fields(table: Table) -> str:
    return ", ".join(f"{column.name} {column.type}" for column in table.columns)
