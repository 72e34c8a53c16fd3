"""From matches to entity tables on Spark, against the plain functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from xmer_spark.clustering import REGISTRY
from xmer_spark.clustering.stage import cluster_matches, connected_components
from xmer_spark.entities.identity import decide, overlaps
from xmer_spark.entities.stage import Published, build_entities
from xmer_spark.errors import ConfigError, XmerError
from xmer_spark.numerics.components import components
from xmer_spark.schema import ENTITIES, ENTITY_EVENTS, MEMBERS, Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ITEMS = (
    "item_id string, item_key bigint, source string, record_id string, modality string, "
    "label string, text string"
)
MATCHES = "left_key bigint, right_key bigint, probability float"
COMPONENTS = REGISTRY.build("components")
ONE_PER_SOURCE = REGISTRY.build("one_per_source")


def items_of(spark: SparkSession, rows: list[tuple[Any, ...]]) -> DataFrame:
    """Rows are (key, source, record, modality, label, text)."""
    return spark.createDataFrame(
        [
            (f"{source}/{key}", key, source, record, kind, label, text)
            for key, source, record, kind, label, text in rows
        ],
        ITEMS,
    ).repartition(2)


def matches_of(spark: SparkSession, rows: list[tuple[int, int, float]]) -> DataFrame:
    return spark.createDataFrame(rows, MATCHES).repartition(2)


def empty(spark: SparkSession, table: Table) -> DataFrame:
    return spark.createDataFrame([], ", ".join(f"{c.name} {c.type}" for c in table.columns))


def clustered(frame: DataFrame) -> dict[int, int]:
    return {row.item_key: row.cluster for row in frame.collect()}


def rows_of(frame: DataFrame, key: str) -> dict[str, dict[str, Any]]:
    rows = [row.asDict(recursive=True) for row in frame.collect()]
    assert len({row[key] for row in rows}) == len(rows)
    return {row[key]: row for row in rows}


SMALL = [
    (-9, "photos", "p1", "image", "cat", None),
    (-4, "photos", "p1", "image", "cat", None),  # of the same record
    (3, "photos", "p2", "image", "dog", None),
    (5, "texts", "t1", "text", "cat", "a tabby   cat"),
    (8, "texts", "t2", "text", None, "word " * 30),
    (11, "texts", "t3", "text", "dog", "x" * 100),
    (12, "texts", "t4", "text", None, None),
]
LINKS = [(-9, 5, 0.8), (-4, 5, 0.4), (3, 5, 0.6), (3, 8, 0.7), (8, 11, 0.9), (5, 12, 0.1)]


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


def test_entities_are_described_by_their_members(spark: SparkSession) -> None:
    items, matches = items_of(spark, SMALL), matches_of(spark, LINKS)
    clusters = spark.createDataFrame(
        [(-9, -9), (-4, -9), (5, -9), (12, -9), (3, 3), (8, 3), (11, 11)], "item_key bigint, cluster bigint"
    )
    published = build_entities(items, clusters, matches, empty(spark, MEMBERS), empty(spark, ENTITIES), "run")
    for frame, table in zip(published, (MEMBERS, ENTITIES, ENTITY_EVENTS), strict=True):
        assert [(f.name, f.dataType.simpleString()) for f in frame.schema] == [
            (column.name, column.type) for column in table.columns
        ]
    members = rows_of(published.members, "item_id")
    assert {key: round(row["confidence"], 3) for key, row in members.items()} == {
        "photos/-9": 0.8, "photos/-4": 0.4, "texts/5": 0.8, "texts/12": 0.1,
        "photos/3": 0.7, "texts/8": 0.7, "texts/11": 1.0,
    }  # fmt: skip
    entities = rows_of(published.entities, "entity_id")
    cats = entities[members["texts/5"]["entity_id"]]
    assert cats["size"] == 4
    assert cats["modalities"] == ["image", "text"]
    assert cats["sources"] == ["photos", "texts"]
    assert cats["representatives"] == {"image": "photos/-9", "text": "texts/5"}
    assert (cats["title"], cats["label"]) == ("a tabby cat", "cat")
    assert cats["cohesion"] == pytest.approx((0.8 + 0.4 + 0.1) / 3)
    assert cats["lowest_link"] == pytest.approx(0.1)  # -9 and -4 are one record: 0.4 holds nothing
    assert entities[members["photos/3"]["entity_id"]]["title"] == " ".join(["word"] * 16)
    alone = entities[members["texts/11"]["entity_id"]]
    assert (alone["title"], alone["cohesion"], alone["lowest_link"]) == ("x" * 80, 1.0, 1.0)
    events = rows_of(published.events, "event_id").values()
    assert {(e["kind"], e["entity_id"], e["items_before"], e["items_after"]) for e in events} == {
        ("created", key, 0, row["size"]) for key, row in entities.items()
    }


def world(
    spark: SparkSession, seed: int, skip: int
) -> tuple[DataFrame, DataFrame, DataFrame, dict[int, int]]:
    """Forty items but for one in ``skip``, with random clusters of records and random matches."""
    generator = np.random.default_rng(seed)
    keys = [key for key in range(-20, 20) if key % skip]
    label = {key: int(generator.integers(0, 8)) if seed else (key + 20) // 4 for key in keys}
    least = {label[key]: key for key in reversed(keys)}
    clusters = {key: least[label[key]] for key in keys}
    items = items_of(spark, [(key, "photos", f"r{key}", "image", None, None) for key in keys])
    pairs = {tuple(sorted(generator.choice(keys, 2, replace=False).tolist())) for _ in range(60)}
    matches = matches_of(spark, [(a, b, float(generator.random())) for a, b in sorted(pairs)])
    frame = spark.createDataFrame(list(clusters.items()), "item_key bigint, cluster bigint")
    return items, frame, matches, clusters


def kept(published: Published, spark: SparkSession) -> Published:
    """The rows taken out of the plan, as a table on disk would."""
    return Published(*(spark.createDataFrame(frame.collect(), frame.schema) for frame in published))


def test_ids_and_events_over_several_runs_equal_the_plain_decision(spark: SparkSession) -> None:
    before = Published(empty(spark, MEMBERS), empty(spark, ENTITIES), empty(spark, ENTITY_EVENTS))
    runs: list[str] = []
    for seed, skip in ((0, 7), (0, 11), (2, 5)):
        items, frame, matches, clusters = world(spark, seed, skip)
        run = f"run{len(runs)}"
        old = before.members.toArrow()
        age = {row.entity_id: runs.index(row.first_run) for row in before.entities.collect()}
        old_entity = np.array(old["entity_id"].to_pylist(), dtype=object)
        plain = overlaps(
            np.array([int(name.split("/")[1]) for name in old["item_id"].to_pylist()], np.int64),
            old_entity,
            np.array([age[name] for name in old_entity], np.int64),
            np.array(list(clusters), np.int64),
            np.array(list(clusters.values()), np.int64),
        )
        decision = decide(plain, run)
        ids = dict(zip(plain.cluster.tolist(), decision.ids, strict=True))
        after = kept(build_entities(items, frame, matches, before.members, before.entities, run, runs), spark)
        assert {row.item_id: row.entity_id for row in after.members.collect()} == {
            f"photos/{key}": ids[cluster] for key, cluster in clusters.items()
        }
        events = after.events.toArrow().select(ENTITY_EVENTS.column_names)
        order = [("entity_id", "ascending"), ("kind", "ascending")]
        assert events.sort_by(order).to_pylist() == decision.events.sort_by(order).to_pylist()
        before = after
        runs.append(run)
    again = build_entities(items, frame, matches, before.members, before.entities, "run3", runs)
    for name, key in (("members", "item_id"), ("entities", "entity_id")):
        assert rows_of(getattr(again, name), key) == rows_of(getattr(before, name), key)
    assert again.events.count() == 0
