"""Clustering on Spark: matches -> the cluster of every record.

Links, and the records that they touch, come to the driver if they are few enough; else nothing but counts
does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from xmer_spark.clustering.base import Clusterer
from xmer_spark.clustering.decisions import DIFFERENT, SAME
from xmer_spark.clustering.links import no_records, solve_tables
from xmer_spark.clustering.scale.contraction import EDGE, LABEL, connect, no_loops
from xmer_spark.clustering.scale.placing import CLUSTER, LINK, NODE, Tally, Tasks
from xmer_spark.clustering.scale.stage import SparkExchange
from xmer_spark.numerics import arrow
from xmer_spark.numerics.components import components

log = logging.getLogger(__name__)


def cluster_matches(
    records: DataFrame,
    matches: DataFrame,
    clusterer: Clusterer,
    one_per_entity: Iterable[str],
    threshold: float,
    max_driver_edges: int,
    max_component_links: int = 2_000_000,
    task_links: int = 1_000_000,
    measure: Callable[[str, float], None] | None = None,
    decisions: DataFrame | None = None,
) -> DataFrame:
    """The cluster of every record: record_key, cluster (its least record key), both bigint.

    ``records`` has record_key and source; ``matches`` left_key, right_key and decided. A match links its
    records from ``threshold`` on, and counts as much as its log-odds are above those of the threshold. No
    cluster holds two records of a source of ``one_per_entity``, if the clusterer heeds that. Up to
    ``max_driver_edges`` links come to the driver with the records that they touch, about 100 bytes each;
    more are clustered in tasks of about ``task_links`` each, to the same end. A component of more than
    ``max_component_links``, if the clusterer divides components at all, loses its weakest links; how many is
    told to ``measure``. ``decisions`` are pairs that people have decided to be the ``same`` or not, each of
    them once: left_key < right_key and a boolean; they count more than any match, and are few. An XmerError
    is raised where a link is of a record that does not exist.
    """
    nodes = records.select("record_key", "source")
    alone = sorted(set(one_per_entity))
    links = _links(matches, threshold)
    if decisions is not None:
        nodes, links = _nodes_that_can_meet(nodes, decisions), _decided(links, decisions, clusterer)
    if links.count() <= max_driver_edges:
        solved, tally = _on_driver(nodes, links, clusterer, alone, max_component_links)
    else:
        exchange = SparkExchange()
        tasks = Tasks(exchange, clusterer, max_component_links, task_links)
        solved, tally = _in_tasks(nodes, links, exchange, tasks, alone)
    tally.tell(measure)
    return nodes.join(solved, "record_key", "left").select(
        "record_key", F.coalesce("cluster", "record_key").alias("cluster")
    )


def _links(matches: DataFrame, threshold: float) -> DataFrame:
    """The matches from the threshold on, decided as it stands to the threshold (``odds.relative_to``)."""
    decided, least = F.col("decided").cast("double"), F.lit(float(threshold))
    above, below = decided * (1 - least), (1 - decided) * least
    found = matches.where(decided >= least)
    return found.select("left_key", "right_key", (above / (above + below)).alias("decided"))


def _decided(links: DataFrame, decisions: DataFrame, clusterer: Clusterer) -> DataFrame:
    """The links, and what people have decided in place of what was found of the same pairs."""
    told = F.when(F.col("same"), F.lit(SAME)).otherwise(F.lit(DIFFERENT)).alias("decided")
    found = links.join(F.broadcast(decisions), ["left_key", "right_key"], "left_anti")
    both = found.unionByName(decisions.select("left_key", "right_key", told))
    return both if clusterer.refines else both.where(F.col("decided") != DIFFERENT)


def _nodes_that_can_meet(nodes: DataFrame, decisions: DataFrame) -> DataFrame:
    """The records, of which those that are decided to be the same thing can be in one cluster.

    Where several of them are of one source, all but the first are as if of none, so that no rule keeps a
    source that names each thing once from naming this one again.
    """
    same = decisions.where("same").toArrow()
    ends = np.stack([same["left_key"].to_numpy(), same["right_key"].to_numpy()], axis=1)
    touched = nodes.sparkSession.createDataFrame(pa.table({"record_key": np.unique(ends)}))
    found = nodes.join(F.broadcast(touched), "record_key", "left_semi").toArrow().sort_by("record_key")
    keys = found["record_key"].to_numpy()
    thing = components(len(keys), np.searchsorted(keys, ends))
    of_source = arrow.numbered(found["source"])[1]
    _, first = np.unique(np.stack([thing, of_source], axis=1), axis=0, return_index=True)
    again = np.delete(keys, first)
    if not len(again):
        return nodes
    freed = nodes.sparkSession.createDataFrame(pa.table({"record_key": again})).withColumn(
        "freed", F.lit(True)
    )
    source_of = F.when(F.col("freed"), F.lit("")).otherwise(F.col("source")).alias("source")
    return nodes.join(F.broadcast(freed), "record_key", "left").select("record_key", source_of)


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
    nodes: DataFrame, links: DataFrame, clusterer: Clusterer, alone: Sequence[str], most: int
) -> tuple[DataFrame, Tally]:
    """The clusters of the records that links touch: record_key, cluster."""
    spark = nodes.sparkSession
    found = links.toArrow()
    ends = np.concatenate([found["left_key"].to_numpy(), found["right_key"].to_numpy()])
    touched = spark.createDataFrame(pa.table({"record_key": pa.array(np.unique(ends), pa.int64())}))
    table = nodes.join(touched, "record_key", "left_semi").toArrow().sort_by("record_key")
    keys, solved = solve_tables(table, found, clusterer, alone, most)
    clusters = pa.table(
        {"record_key": pa.array(keys, pa.int64()), "cluster": pa.array(solved.cluster, pa.int64())}
    )
    return spark.createDataFrame(clusters), Tally(solved.split, solved.removed)


def _in_tasks(
    nodes: DataFrame, links: DataFrame, exchange: SparkExchange, tasks: Tasks, alone: Sequence[str]
) -> tuple[DataFrame, Tally]:
    """The same, by an exchange of blocks between tasks."""
    ends = links.select(F.explode(F.array("left_key", "right_key")).alias("record_key"))
    if not ends.join(nodes, "record_key", "left_anti").isEmpty():
        raise no_records()
    weighted = links.select("left_key", "right_key", F.col("decided").cast("double"))
    kept, counts = exchange.keep(exchange.read(weighted, LINK))
    count = counts.get(LINK, 0)
    if not tasks.clusterer.refines:
        return exchange.rows(tasks.components(kept, count), LABEL, "record_key", "cluster"), Tally(0, 0)
    numbered = exchange.read(nodes.select("record_key", _place_in(alone, "source")), NODE)
    clusters, tally = tasks.cluster(numbered, kept, count)
    return exchange.rows(clusters, CLUSTER, "record_key", "cluster"), tally


def _place_in(names: Sequence[str], column: str) -> Column:
    """The place of a string in a list, from 0; -1 where it is not there."""
    listed = F.array(*(F.lit(name) for name in names)).cast("array<string>")
    return (F.array_position(listed, F.col(column)) - 1).alias(column)
