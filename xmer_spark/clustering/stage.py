"""Clustering on Spark: matches -> the cluster of every item.

Links above the threshold, and the items they touch, come to the driver if they are few enough; else nothing
but counts does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from xmer_spark.clustering.base import Clusterer
from xmer_spark.clustering.links import no_items, solve_tables
from xmer_spark.clustering.scale.contraction import EDGE, LABEL, connect, no_loops
from xmer_spark.clustering.scale.placing import (
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
from xmer_spark.clustering.scale.stage import SparkExchange
from xmer_spark.clustering.thresholds import Threshold, lowest, no_threshold, thresholds
from xmer_spark.schema import MODALITIES

log = logging.getLogger(__name__)


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
        exchange = SparkExchange()
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
    exchange = SparkExchange()
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
