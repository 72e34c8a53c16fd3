"""Clustering on Spark, against the plain functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from tests.frames import LINKS, SMALL, items_of, matches_of
from xmer_spark.clustering import REGISTRY
from xmer_spark.clustering.stage import cluster_matches, connected_components
from xmer_spark.errors import ConfigError, XmerError
from xmer_spark.numerics.components import components

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

COMPONENTS = REGISTRY.build("components")
ONE_PER_SOURCE = REGISTRY.build("one_per_source")


def clustered(frame: DataFrame) -> dict[int, int]:
    return {row.item_key: row.cluster for row in frame.collect()}


def test_links_above_the_threshold_cluster_and_records_stay_together(spark: SparkSession) -> None:
    items, matches = items_of(spark, SMALL), matches_of(spark, LINKS)
    found = clustered(cluster_matches(items, matches, COMPONENTS, 0.75, set(), 10))
    assert found == {-9: -9, -4: -9, 5: -9, 3: 3, 8: 8, 11: 8, 12: 12}
    found = clustered(cluster_matches(items, matches, ONE_PER_SOURCE, 0.3, {"photos", "texts"}, 10))
    assert found == {-9: -9, -4: -9, 5: -9, 3: 3, 8: 3, 11: 11, 12: 12}


def test_a_threshold_may_differ_by_modality_pair(spark: SparkSession) -> None:
    items, matches = items_of(spark, SMALL), matches_of(spark, LINKS)
    thresholds = {"image-text": 0.65, "text-text": 0.95}
    found = clustered(cluster_matches(items, matches, COMPONENTS, thresholds, set(), 10))
    assert found == {-9: -9, -4: -9, 5: -9, 3: 3, 8: 3, 11: 11, 12: 12}
    with pytest.raises(ConfigError, match="text-text"):
        cluster_matches(items, matches, COMPONENTS, {"image-text": 0.5}, set(), 10)


def many(seed: int, n: int = 400) -> tuple[list[tuple[Any, ...]], list[tuple[int, int, float]]]:
    """Items of two modalities, some in one record, and matches of few different probabilities."""
    generator = np.random.default_rng(seed)
    keys = (generator.permutation(n) * 7919 - 900_000).tolist()
    items = []
    for k, key in enumerate(keys):
        kind = ("photos", "image"), ("maps", "image"), ("texts", "text")
        record = f"r{k - k % 5 if k % 5 == 4 else k}"
        items.append((key, kind[k % 3][0], record, kind[k % 3][1], None, None))
    pairs = {tuple(sorted(generator.choice(keys, 2, replace=False).tolist())) for _ in range(n)}
    return items, [(a, b, float(generator.integers(1, 10)) / 10) for a, b in sorted(pairs)]


@pytest.mark.parametrize("method", ["one_per_source", "components"])
def test_what_is_clustered_in_tasks_is_what_the_driver_clusters(spark: SparkSession, method: str) -> None:
    rows, links = many(3)
    items, matches, clusterer = items_of(spark, rows), matches_of(spark, links), REGISTRY.build(method)
    thresholds = {"image-image": 0.35, "image-text": 0.25, "text-text": 0.55}
    told: dict[int, dict[str, float]] = {0: {}, 1000: {}}
    found = {}
    for most, measured in told.items():
        frame = cluster_matches(
            items,
            matches,
            clusterer,
            thresholds,
            {"photos"},
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


def test_what_the_driver_refuses_is_refused_in_tasks(spark: SparkSession) -> None:
    items, matches = items_of(spark, SMALL), matches_of(spark, LINKS)
    with pytest.raises(ConfigError, match="text-text"):
        cluster_matches(items, matches, COMPONENTS, {"image-text": 0.5}, set(), 0)
    with pytest.raises(XmerError, match="do not exist"):
        cluster_matches(items, matches_of(spark, [(-9, 77, 0.9)]), COMPONENTS, 0.3, set(), 0)


def test_nodes_of_a_frame_of_edges_have_the_components_that_scipy_finds(spark: SparkSession) -> None:
    edges = np.random.default_rng(5).integers(0, 3000, (2, 2000))
    frame = spark.createDataFrame(pa.table({"a": edges[0], "b": edges[1]})).repartition(3)
    found = connected_components(frame, 500).toArrow()
    labels = np.arange(3000)
    labels[found["node"].to_numpy()] = found["component"].to_numpy()
    assert np.array_equal(labels, components(3000, edges.T))


def test_matches_of_items_that_do_not_exist_are_an_error(spark: SparkSession) -> None:
    with pytest.raises(XmerError, match="do not exist"):
        cluster_matches(items_of(spark, SMALL), matches_of(spark, [(-9, 77, 0.9)]), COMPONENTS, 0.3, set(), 4)
