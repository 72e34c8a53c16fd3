"""Entity tables on Spark: what they hold, and that they hang neither on runs nor on how work is divided."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from pyspark.sql import functions as F

from tests.frames import LINKS, SAID, SMALL, Record, empty, matches_of, records_of, rows_of
from xmer_spark.clustering import REGISTRY
from xmer_spark.clustering.stage import cluster_matches
from xmer_spark.config import ValueRule
from xmer_spark.entities.identity import decide, overlaps
from xmer_spark.entities.merging.stage import Merging
from xmer_spark.entities.stage import Published, build_entities
from xmer_spark.schema import ENTITIES, ENTITY_EVENTS, MEMBERS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def test_entities_are_described_by_their_members(spark: SparkSession) -> None:
    records, matches = records_of(spark, SMALL), matches_of(spark, LINKS)
    clusters = spark.createDataFrame(
        [(-9, -9), (-4, -9), (5, -9), (12, -9), (3, 3), (8, 3), (11, 11)],
        "record_key bigint, cluster bigint",
    )
    # entities go by what two records have in common, whatever was decided beside rivals
    matches = matches.withColumn("decided", F.lit(0.5).cast("float"))
    nothing = empty(spark, MEMBERS), empty(spark, ENTITIES)
    published = build_entities(records, clusters, matches, said_of(spark, {}), *nothing, "run")
    for frame, table in zip(published, (MEMBERS, ENTITIES, ENTITY_EVENTS), strict=True):
        assert [(f.name, f.dataType.simpleString()) for f in frame.schema] == [
            (column.name, column.type) for column in table.columns
        ]
    members = rows_of(published.members, "record_id")
    assert {key: round(row["confidence"], 3) for key, row in members.items()} == {
        "photos/-9": 0.8, "goods/-4": 0.4, "texts/5": 0.8, "rows/12": 0.1,
        "photos/3": 0.7, "texts/8": 0.7, "texts/11": 1.0,
    }  # fmt: skip
    assert members["goods/-4"]["modalities"] == ["image", "text"]
    assert members["rows/12"]["modalities"] == []
    entities = rows_of(published.entities, "entity_id")
    cats = entities[members["texts/5"]["entity_id"]]
    assert cats["size"] == 4
    assert cats["modalities"] == ["image", "text"]
    assert cats["sources"] == ["goods", "photos", "rows", "texts"]
    assert cats["representatives"] == {"image": "photos/-9", "text": "texts/5"}
    assert (cats["title"], cats["label"]) == ("a tabby cat", "cat")
    assert cats["cohesion"] == pytest.approx((0.8 + 0.4 + 0.1) / 3)
    assert cats["lowest_link"] == pytest.approx(0.1)
    assert entities[members["photos/3"]["entity_id"]]["title"] == " ".join(["word"] * 16)
    alone = entities[members["texts/11"]["entity_id"]]
    assert (alone["title"], alone["cohesion"], alone["lowest_link"]) == ("x" * 80, 1.0, 1.0)
    events = rows_of(published.events, "event_id").values()
    assert {(e["kind"], e["entity_id"], e["records_before"], e["records_after"]) for e in events} == {
        ("created", key, 0, row["size"]) for key, row in entities.items()
    }


def said_of(
    spark: SparkSession, names: dict[int, str], rule: str = "most_frequent", parts: int = 2
) -> Merging:
    """Records that say their names, by their keys, and the rule by which one is chosen."""
    said = spark.createDataFrame([(key, {"name": name}, {}) for key, name in names.items()], SAID)
    rules = {"name": ValueRule.model_validate(rule)} if names else {}
    return Merging(said.repartition(parts), rules, ["goods", "photos", "texts", "rows"])


def test_another_rule_changes_the_values_and_neither_ids_nor_members_nor_events(spark: SparkSession) -> None:
    records, matches = records_of(spark, SMALL), matches_of(spark, LINKS)
    clusters = spark.createDataFrame(
        [(-9, -9), (-4, -9), (5, -9), (12, 12), (3, 3), (8, 3), (11, 11)],
        "record_key bigint, cluster bigint",
    )
    names = {-9: "cat", -4: "a cat", 5: "cat", 3: "dog", 8: "dog"}
    before = Published(empty(spark, MEMBERS), empty(spark, ENTITIES), empty(spark, ENTITY_EVENTS))
    found = []
    for run, rule in enumerate(("most_frequent", "longest")):
        said = said_of(spark, names, rule)
        made = build_entities(
            records, clusters, matches, said, before.members, before.entities, f"run{run}", ["run0"]
        )
        before = kept(made, spark)
        found.append({name: rows_of(before[n], key) for n, (name, key) in enumerate(
            (("members", "record_id"), ("entities", "entity_id"), ("events", "event_id")))})  # fmt: skip
    first, second = found
    assert (second["members"], second["events"]) == (first["members"], {})
    assert second["entities"].keys() == first["entities"].keys()
    changed = {key for key, row in second["entities"].items() if row != first["entities"][key]}
    assert changed == {first["members"]["texts/5"]["entity_id"]}
    one = changed.pop()
    assert first["entities"][one]["values"] == {"name": "cat"}
    assert first["entities"][one]["value_records"] == {"name": "photos/-9"}
    assert second["entities"][one] == {
        **first["entities"][one], "values": {"name": "a cat"}, "value_records": {"name": "goods/-4"},
        "last_run": "run1",
    }  # fmt: skip
    alone = second["entities"][first["members"]["texts/11"]["entity_id"]]
    assert (alone["values"], alone["value_records"]) == ({}, {})


def test_an_entity_is_shown_by_its_best_connected_record_that_has_something_to_show(
    spark: SparkSession,
) -> None:
    rows: list[Record] = [
        (1, "a", None, None, {"image": "one"}),
        (2, "a", None, "two", {"image": "two", "text": "two#text"}),
        (3, "a", None, "three", {"text": "three"}),
        (4, "b", None, None, {}),
        (5, "b", None, " \n", {}),
        (6, "c", None, None, {}),
    ]
    matches = matches_of(spark, [(1, 2, 0.7), (1, 3, 0.9), (2, 3, 0.1), (4, 5, 0.5), (5, 6, 0.4)])
    clusters = spark.createDataFrame(
        [(1, 1), (2, 1), (3, 1), (4, 4), (5, 4), (6, 4)], "record_key bigint, cluster bigint"
    )
    nothing = empty(spark, MEMBERS), empty(spark, ENTITIES)
    silent = said_of(spark, {})
    published = build_entities(records_of(spark, rows), clusters, matches, silent, *nothing, "run")
    entities = {tuple(row["sources"]): row for row in rows_of(published.entities, "entity_id").values()}
    three = entities[("a",)]
    assert (three["title"], three["representatives"]) == ("three", {"image": "one", "text": "three"})
    assert three["lowest_link"] == pytest.approx(0.7)  # 2 and 3 hold together by 1
    bare = entities[("b", "c")]
    assert (bare["title"], bare["modalities"], bare["representatives"]) == ("b/5", [], {})


def world(
    spark: SparkSession, seed: int, skip: int
) -> tuple[DataFrame, DataFrame, DataFrame, dict[int, int]]:
    """Forty records but for one in ``skip``, with random clusters and random matches."""
    generator = np.random.default_rng(seed)
    keys = [key for key in range(-20, 20) if key % skip]
    label = {key: int(generator.integers(0, 8)) if seed else (key + 20) // 4 for key in keys}
    least = {label[key]: key for key in reversed(keys)}
    clusters = {key: least[label[key]] for key in keys}
    records = records_of(spark, [(key, "photos", None, None, {"image": f"photos/{key}"}) for key in keys])
    pairs = {tuple(sorted(generator.choice(keys, 2, replace=False).tolist())) for _ in range(60)}
    matches = matches_of(spark, [(a, b, float(generator.random())) for a, b in sorted(pairs)])
    frame = spark.createDataFrame(list(clusters.items()), "record_key bigint, cluster bigint")
    return records, frame, matches, clusters


def kept(published: Published, spark: SparkSession) -> Published:
    """The rows taken out of the plan, as a table on disk would."""
    return Published(*(spark.createDataFrame(frame.collect(), frame.schema) for frame in published))


def test_ids_and_events_over_several_runs_equal_the_plain_decision(spark: SparkSession) -> None:
    before = Published(empty(spark, MEMBERS), empty(spark, ENTITIES), empty(spark, ENTITY_EVENTS))
    runs: list[str] = []
    silent = said_of(spark, {})
    for seed, skip in ((0, 7), (0, 11), (2, 5)):
        records, frame, matches, clusters = world(spark, seed, skip)
        run = f"run{len(runs)}"
        old = before.members.toArrow()
        age = {row.entity_id: runs.index(row.first_run) for row in before.entities.collect()}
        old_entity = np.array(old["entity_id"].to_pylist(), dtype=object)
        plain = overlaps(
            np.array([int(name.split("/")[1]) for name in old["record_id"].to_pylist()], np.int64),
            old_entity,
            np.array([age[name] for name in old_entity], np.int64),
            np.array(list(clusters), np.int64),
            np.array(list(clusters.values()), np.int64),
        )
        decision = decide(plain, run)
        ids = dict(zip(plain.cluster.tolist(), decision.ids, strict=True))
        after = kept(
            build_entities(records, frame, matches, silent, before.members, before.entities, run, runs), spark
        )
        assert {row.record_id: row.entity_id for row in after.members.collect()} == {
            f"photos/{key}": ids[cluster] for key, cluster in clusters.items()
        }
        events = after.events.toArrow().select(ENTITY_EVENTS.column_names)
        order = [("entity_id", "ascending"), ("kind", "ascending")]
        assert events.sort_by(order).to_pylist() == decision.events.sort_by(order).to_pylist()
        before = after
        runs.append(run)
    again = build_entities(records, frame, matches, silent, before.members, before.entities, "run3", runs)
    for name, key in (("members", "record_id"), ("entities", "entity_id")):
        assert rows_of(getattr(again, name), key) == rows_of(getattr(before, name), key)
    assert again.events.count() == 0


def test_the_same_rows_are_published_however_the_work_is_divided(spark: SparkSession) -> None:
    generator = np.random.default_rng(4)
    keys = (generator.permutation(300) * 7919 - 900_000).tolist()
    kinds = (("photos", ["image"]), ("maps", ["image", "text"]), ("texts", ["text"]))
    rows: list[Record] = [
        (key, kinds[k % 3][0], f"l{k % 4}", f"text {k}", {m: f"{key}#{m}" for m in kinds[k % 3][1]})
        for k, key in enumerate(keys)
    ]
    pairs = {tuple(sorted(generator.choice(keys, 2, replace=False).tolist())) for _ in range(900)}
    # few levels, so that many are equal, and none of them a sum of few powers of two
    links = [(a, b, float(generator.integers(1, 8)) / 9) for a, b in sorted(pairs)]
    clusterer = REGISTRY.build("one_per_source")
    published = []
    for shuffle, parts in (("1", 1), ("3", 5)):
        before = spark.conf.get("spark.sql.shuffle.partitions")
        spark.conf.set("spark.sql.shuffle.partitions", shuffle)
        try:
            records = records_of(spark, rows).repartition(parts)
            matches = matches_of(spark, links).repartition(parts)
            said = said_of(spark, {key: f"text {key % 9}" for key in keys}, parts=parts)
            clusters = cluster_matches(
                records, matches, clusterer, {"photos", "texts"}, 0.5, 10_000
            ).persist()
            nothing = empty(spark, MEMBERS), empty(spark, ENTITIES)
            frames = build_entities(records, clusters, matches, said, *nothing, "run")
            published.append([sorted(map(repr, frame.collect())) for frame in frames])
        finally:
            spark.conf.set("spark.sql.shuffle.partitions", before)
    assert published[0] == published[1]
    members, entities, _ = published[0]
    assert len(members) == len(rows) > len(entities) > 50
