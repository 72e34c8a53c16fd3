"""The Spark join against the plain one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import functions as F

from xmer_spark.blocking import REGISTRY
from xmer_spark.blocking.base import Blocker, Tile
from xmer_spark.blocking.meeting import ROW_PAIRS, Pairs, regroup
from xmer_spark.blocking.stage import _shipped, candidate_blocks, hamming_join
from xmer_spark.errors import ConfigError, XmerError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

WORDS = 2


class World:
    """A few sources with clustered codes; the first coordinate of an embedding counts the items."""

    def __init__(self, sizes: dict[str, int], seed: int = 0, share_equal: float = 0.0) -> None:
        generator = np.random.default_rng(seed)
        centres = generator.integers(0, 2, (5, 64 * WORDS))
        self.keys, self.codes = {}, {}
        for source, size in sizes.items():
            bits = centres[generator.integers(0, 5, size)]
            bits ^= generator.random(bits.shape) < 0.1
            bits[: int(size * share_equal)] = centres[0]
            packed = np.packbits(bits.astype(np.uint8), axis=1, bitorder="little")
            self.codes[source] = packed.view(np.uint64).reshape(size, WORDS)
            self.keys[source] = np.sort(generator.integers(-(2**63), 2**63 - 1, size))

    def frame(self, spark: SparkSession, modality: dict[str, str]) -> DataFrame:
        sources = [source for source, codes in self.codes.items() for _ in codes]
        counts = [[float(n), 1.0] for codes in self.codes.values() for n in range(len(codes))]
        columns = {
            "item_key": np.concatenate(list(self.keys.values())),
            "source": sources,
            "modality": [modality[source] for source in sources],
            "embedding": pa.array(counts, pa.list_(pa.float32())),
            "code": pa.array(np.concatenate(list(self.codes.values())).view(np.int64).tolist()),
        }
        return spark.createDataFrame(pa.table(columns))

    def expected(self, blocker: Blocker, left: str, right: str) -> set[tuple[int, int]]:
        i, j = blocker.pairs(self.codes[left], self.codes[right])
        keep = i < j if left == right else np.ones(len(i), bool)
        return set(zip(self.keys[left][i[keep]].tolist(), self.keys[right][j[keep]].tolist(), strict=True))


def found(blocks: DataFrame, world: World) -> dict[tuple[str, str], set[tuple[int, int]]]:
    """The pairs of keys by pair of sources, after checking each row against the items it came from."""
    result: dict[tuple[str, str], set[tuple[int, int]]] = {}
    for row in blocks.collect():
        keys, codes, index = {}, {}, {}
        for side in ("left", "right"):
            source = row[f"{side}_source"]
            keys[side] = np.frombuffer(row[f"{side}_keys"], np.int64)
            codes[side] = np.frombuffer(row[f"{side}_codes"], np.uint64).reshape(-1, WORDS)
            vectors = np.frombuffer(row[f"{side}_vectors"], np.float32).reshape(-1, 2)
            index[side] = np.frombuffer(row[f"{side}_index"], np.int32)
            assert len(index[side]) == row.pairs
            assert np.array_equal(np.unique(index[side]), np.arange(len(keys[side])))
            place = np.searchsorted(world.keys[source], keys[side])
            assert np.array_equal(codes[side], world.codes[source][place])
            assert np.array_equal(vectors[:, 0], place)
        differing = np.bitwise_count(codes["left"][index["left"]] ^ codes["right"][index["right"]]).sum(
            axis=1
        )
        assert np.array_equal(np.frombuffer(row.hamming, np.int32), differing)
        pairs = set(
            zip(keys["left"][index["left"]].tolist(), keys["right"][index["right"]].tolist(), strict=True)
        )
        seen = result.setdefault((row.left_source, row.right_source), set())
        assert len(pairs) == row.pairs <= ROW_PAIRS
        assert not seen & pairs
        seen |= pairs
    return result


BANDS = REGISTRY.build("bands", {"tables": 5, "bits": 9, "flips": 1, "max_distance": 0.3})
SCAN = REGISTRY.build("scan", {"max_distance": 0.3})
MODALITY = {"photos": "image", "scans": "image", "texts": "text"}


def test_the_spark_join_equals_the_plain_one_for_every_blocker(spark: SparkSession) -> None:
    world = World({"photos": 60, "scans": 50, "texts": 60, "sounds": 50})
    modality = MODALITY | {"sounds": "sound"}
    codes = world.codes
    blockers = {
        "image-image": BANDS,
        "image-text": SCAN,
        "text-text": REGISTRY.build("radius", {"radius": 20, "substrings": 9}),
        "sound-text": REGISTRY.build("cells", {"cells": 9, "probes": 2}).fit(codes["texts"], codes["sounds"]),
        "image-sound": REGISTRY.build("top_k", {"k": 3, "mutual": True}),
        "sound-sound": REGISTRY.build("top_k", {"k": 3, "mutual": True}),
    }
    wanted = [
        ("photos", "scans"), ("texts", "photos"), ("scans", "texts"), ("photos", "photos"),
        ("texts", "texts"), ("texts", "sounds"), ("sounds", "photos"), ("sounds", "sounds"),
    ]  # fmt: skip
    result = found(candidate_blocks(world.frame(spark, modality), blockers, wanted, 4), world)
    within = result.pop(("sounds", "sounds"))  # brute force would take an item for its own neighbour
    assert within
    assert all(a < b for a, b in within)
    expected = {
        (a, b): world.expected(blockers["-".join(sorted((modality[a], modality[b])))], a, b)
        for a, b in wanted[:-1]
    }
    assert all(expected.values())
    assert result == expected


def test_one_bucket_that_holds_most_items_is_cut_into_rows_of_bounded_size(spark: SparkSession) -> None:
    world = World({"photos": 550, "scans": 550}, share_equal=0.9)
    blocks = candidate_blocks(world.frame(spark, MODALITY), {"image-image": BANDS}, [("photos", "scans")], 1)
    result = found(blocks, world)  # which checks the size of each row
    assert result == {("photos", "scans"): world.expected(BANDS, "photos", "scans")}
    assert len(result["photos", "scans"]) > ROW_PAIRS


def test_sources_without_items_have_no_candidates(spark: SparkSession) -> None:
    world = World({"photos": 5, "texts": 0})
    frame = world.frame(spark, MODALITY)
    assert candidate_blocks(frame, {"image-text": SCAN}, [("photos", "texts")], 2).count() == 0


def test_a_modality_pair_without_a_blocker_is_an_error(spark: SparkSession) -> None:
    frame = World({"photos": 2, "texts": 2}).frame(spark, MODALITY)
    with pytest.raises(ConfigError, match="image-text"):
        candidate_blocks(frame, {"image-image": SCAN}, [("texts", "photos")], 2)


def test_a_source_of_two_modalities_is_an_error(spark: SparkSession) -> None:
    frame = World({"photos": 2}).frame(spark, MODALITY)
    mixed = frame.union(frame.withColumn("modality", frame.source))
    with pytest.raises(XmerError, match="photos"):
        candidate_blocks(mixed, {"image-image": SCAN}, [("photos", "photos")], 2)


def test_regrouped_tiles_are_bounded_in_pairs_and_items_and_keep_the_order() -> None:
    generator = np.random.default_rng(0)
    sizes = [0, 3, 50, 1, 0, 17]
    tiles = [Tile(*generator.integers(0, 30, (3, size), dtype=np.int32)) for size in sizes]
    cut = list(regroup(tiles, 20, 12))
    for whole, parts in zip(zip(*tiles, strict=True), zip(*cut, strict=True), strict=True):
        assert np.array_equal(np.concatenate(whole), np.concatenate(parts))
    for tile in cut:
        assert 0 < len(tile.left) <= 20
        assert len(np.unique(tile.left)) + len(np.unique(tile.right)) <= 12


def coded(spark: SparkSession, keys: np.ndarray, codes: np.ndarray) -> DataFrame:
    columns = {"item_key": keys, "code": pa.array(codes.view(np.int64).tolist())}
    return spark.createDataFrame(pa.table(columns))


def test_the_hamming_join_of_codes_alone_equals_brute_force(spark: SparkSession) -> None:
    """Of two tables, and of one with itself: each pair once."""
    world = World({"a": 120, "b": 100})
    left, right = world.codes["a"], world.codes["b"]
    sides = [coded(spark, np.arange(len(codes)), codes) for codes in (left, right)]
    blocker = REGISTRY.build("radius", {"radius": 20, "substrings": 7})
    pairs = hamming_join(sides[0], sides[1], blocker, 3)
    within = hamming_join(sides[0], None, blocker, 2).withColumn("right_key", F.expr("right_key + 1000"))
    rows = [tuple(row) for row in pairs.unionAll(within).collect()]
    other = np.concatenate([right, np.zeros((1000 - len(right), WORDS), np.uint64), left])
    differing = np.bitwise_count(left[:, None] ^ other).sum(axis=2)
    near = differing <= 20
    near[:, len(right) : 1000] = False
    near[:, 1000:] &= np.arange(len(left))[:, None] < np.arange(len(left))
    assert sorted(rows) == [(i, j, differing[i, j]) for i, j in zip(*np.nonzero(near), strict=True)]


def test_one_crowded_bucket_is_found_in_a_sample_and_shared_out(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xmer_spark.blocking.stage.SAMPLE_FROM", 100)
    monkeypatch.setattr("xmer_spark.blocking.stage.SAMPLE", 200)
    generator = np.random.default_rng(0)
    left, right = (generator.integers(0, 2**64, (600, WORDS), np.uint64) for _ in range(2))
    blocker = REGISTRY.build("bands", {"tables": 3, "bits": 12, "flips": 0})
    for position in blocker.samples(64 * WORDS)[1]:  # half of the items agree in one table
        for side in (left, right):
            side[:300, position // 64] &= ~np.uint64(1 << int(position) % 64)
    sides = [coded(spark, np.arange(600), codes) for codes in (left, right)]
    shipments, plan = _shipped(
        sides[0]
        .selectExpr("item_key", "'left' AS source", "code")
        .unionAll(sides[1].selectExpr("item_key", "'right' AS source", "code")),
        {"left": 600, "right": 600},
        {("left", "right"): blocker},
        4,
    )
    assert [len(buckets) for buckets in plan["left", "right"].hot] == [0, 1, 0]  # type: ignore[attr-defined]
    pairs = shipments.mapInArrow(Pairs(plan, 4), "left_key bigint, right_key bigint, hamming int")
    rows = pairs.withColumn("partition", F.spark_partition_id()).collect()
    made = np.bincount([row.partition for row in rows])
    i, j = blocker.pairs(left, right)
    assert sorted((row.left_key, row.right_key) for row in rows) == sorted(
        zip(i.tolist(), j.tolist(), strict=True)
    )
    assert max(made) < 0.4 * sum(made)


def test_a_blocker_whose_sides_differ_joins_no_source_with_itself(spark: SparkSession) -> None:
    frame = World({"photos": 3}).frame(spark, MODALITY)
    with pytest.raises(ConfigError, match="'photos' with itself"):
        candidate_blocks(frame, {"image-image": REGISTRY.build("top_k")}, [("photos", "photos")], 2)
