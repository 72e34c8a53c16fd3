"""Clustering on Spark, against the plain functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import functions as F

from tests.frames import LINKS, SMALL, Record, matches_of, records_of
from xmer_spark.clustering import REGISTRY
from xmer_spark.clustering.base import Clusterer
from xmer_spark.clustering.stage import cluster_matches, connected_components
from xmer_spark.errors import XmerError
from xmer_spark.numerics.components import components

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

COMPONENTS = REGISTRY.build("components")
ONE_PER_SOURCE = REGISTRY.build("one_per_source")
DECISIONS = "left_key bigint, right_key bigint, same boolean"


def clustered(frame: DataFrame) -> dict[int, int]:
    return {row.record_key: row.cluster for row in frame.collect()}


def test_links_from_one_half_on_cluster_the_records(spark: SparkSession) -> None:
    records, matches = records_of(spark, SMALL), matches_of(spark, LINKS)
    found = clustered(cluster_matches(records, matches, COMPONENTS, set(), 0.5, 10))
    assert found == {-9: -9, 3: -9, 5: -9, 8: -9, 11: -9, -4: -4, 12: 12}
    found = clustered(cluster_matches(records, matches, ONE_PER_SOURCE, {"photos", "texts"}, 0.5, 10))
    assert found == {-9: -9, 5: -9, 3: 3, 8: 3, 11: 11, -4: -4, 12: 12}


@pytest.mark.parametrize("most", [0, 10])
def test_matches_count_by_what_was_decided_and_not_by_their_own_probability(
    spark: SparkSession, most: int
) -> None:
    records = records_of(spark, SMALL)
    matches = matches_of(spark, LINKS).withColumn("decided", (1 - F.col("decided")).cast("float"))
    found = clustered(cluster_matches(records, matches, ONE_PER_SOURCE, {"photos", "texts"}, 0.5, most))
    assert found == {-4: -4, 5: -4, 12: -4, -9: -9, 3: 3, 8: 8, 11: 11}
    halves = matches_of(spark, [(-9, 5, 0.5), (3, 8, 0.49)])
    assert clustered(cluster_matches(records, halves, COMPONENTS, set(), 0.5, most))[5] == -9
    assert clustered(cluster_matches(records, halves, COMPONENTS, set(), 0.5, most))[8] == 8


def many(seed: int, n: int = 400) -> tuple[list[Record], list[tuple[int, int, float]]]:
    """Records of three sources, and matches of few different probabilities."""
    generator = np.random.default_rng(seed)
    keys = (generator.permutation(n) * 7919 - 900_000).tolist()
    sources = ("photos", "maps", "texts")
    records: list[Record] = [(key, sources[k % 3], None, None, {}) for k, key in enumerate(keys)]
    pairs = {tuple(sorted(generator.choice(keys, 2, replace=False).tolist())) for _ in range(2 * n)}
    return records, [(a, b, float(generator.integers(1, 10)) / 10) for a, b in sorted(pairs)]


@pytest.mark.parametrize("method", ["one_per_source", "components"])
def test_what_is_clustered_in_tasks_is_what_the_driver_clusters(spark: SparkSession, method: str) -> None:
    rows, links = many(3)
    records, matches, clusterer = records_of(spark, rows), matches_of(spark, links), REGISTRY.build(method)
    told: dict[int, dict[str, float]] = {0: {}, 1000: {}}
    found = {}
    for most, measured in told.items():
        frame = cluster_matches(
            records,
            matches,
            clusterer,
            {"photos"},
            0.5,
            most,
            max_component_links=250,
            task_links=200,
            measure=measured.__setitem__,
        )
        found[most] = clustered(frame)
    assert found[0] == found[1000]
    assert len(found[0]) == len(rows)
    assert told[0] == told[1000]
    assert bool(told[0]) == (method == "one_per_source")


@pytest.mark.parametrize(
    ("told", "most", "expected"),
    [
        ([(-9, 5, False), (-4, 12, True), (-9, 3, True)], 10, {-9: -9, 3: -9, 8: -9, -4: -4, 12: -4, 5: 5}),
        ([(-9, 5, False), (-4, 12, True), (-9, 3, True)], 0, {-9: -9, 3: -9, 8: -9, -4: -4, 12: -4, 5: 5}),
        ([(-9, 5, False)], 10, {-9: -9, 3: 3, 8: 3, -4: -4, 12: 12, 5: 5}),
        ([], 0, {-9: -9, 5: -9, 3: 3, 8: 3, -4: -4, 12: 12}),
    ],
)
def test_decisions_of_people_count_more_than_matches_and_sources(
    spark: SparkSession, told: list[tuple[int, int, bool]], most: int, expected: dict[int, int]
) -> None:
    found = cluster_matches(
        records_of(spark, SMALL),
        matches_of(spark, LINKS),
        ONE_PER_SOURCE,
        {"photos", "texts"},  # and two photographs, -9 and 3, are of one thing
        0.5,
        most,
        decisions=spark.createDataFrame(told, DECISIONS),
    )
    assert clustered(found) == {**expected, 11: 11}


@pytest.mark.parametrize("most", [0, 4])
@pytest.mark.parametrize("clusterer", [COMPONENTS, ONE_PER_SOURCE])
def test_matches_of_records_that_do_not_exist_are_an_error(
    spark: SparkSession, clusterer: Clusterer, most: int
) -> None:
    matches = matches_of(spark, [(-9, 5, 0.9), (-9, 77, 0.9)])
    with pytest.raises(XmerError, match="do not exist"):
        cluster_matches(records_of(spark, SMALL), matches, clusterer, set(), 0.5, most)


def test_nodes_of_a_frame_of_edges_have_the_components_that_scipy_finds(spark: SparkSession) -> None:
    edges = np.random.default_rng(5).integers(0, 3000, (2, 2000))
    frame = spark.createDataFrame(pa.table({"a": edges[0], "b": edges[1]})).repartition(3)
    found = connected_components(frame, 500).toArrow()
    labels = np.arange(3000)
    labels[found["node"].to_numpy()] = found["component"].to_numpy()
    assert np.array_equal(labels, components(3000, edges.T))


@pytest.mark.parametrize("most", [0, 4])
def test_the_threshold_says_which_matches_link_and_how_much_each_counts(
    spark: SparkSession, most: int
) -> None:
    rows: list[Record] = [(key, "texts", None, None, {}) for key in (1, 2, 3)]
    matches = matches_of(spark, [(1, 2, 0.3), (2, 3, 0.19), (1, 3, 0.05)])

    def clusters(method: str, threshold: float) -> dict[int, int]:
        frame = cluster_matches(
            records_of(spark, rows), matches, REGISTRY.build(method), set(), threshold, most
        )
        return clustered(frame)

    assert clusters("components", 0.5) == {1: 1, 2: 2, 3: 3}
    assert clusters("components", 0.19 - 1e-6) == {1: 1, 2: 1, 3: 1}
    assert clusters("components", 0.2) == {1: 1, 2: 1, 3: 3}
    # At a threshold far below, the odds of a match are far above it and outweigh a pair that was not scored.
    assert clusters("average_linkage", 0.18) == {1: 1, 2: 1, 3: 3}
    assert clusters("average_linkage", 0.02) == {1: 1, 2: 1, 3: 1}
