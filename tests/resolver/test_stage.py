"""The resolver on Spark: items are encoded as without it, and blocks of candidates scored pair by pair."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from tests.frames import table_of
from tests.resolver.small import PICTURES, TEXTS, Small
from xmer_spark.blocking.records.shipping import stream
from xmer_spark.blocking.records.stage import record_blocks
from xmer_spark.method import loaded_once, saved_files
from xmer_spark.numerics.evidence import Evidence
from xmer_spark.numerics.records import Records
from xmer_spark.resolver import stage
from xmer_spark.resolver.model import Resolver
from xmer_spark.schema import EMBEDDINGS, FEATURES, ITEMS, RECORD_BLOCK

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Row = dict[str, Any]
N = len(TEXTS)


def block(
    left: Records, right: Records, pairs: tuple[np.ndarray, np.ndarray], columns: tuple[list[str], list[str]]
) -> Row:
    """A row of ``RECORD_BLOCK``: these pairs, with these columns of either side as its payload."""
    row: Row = {"blocker": np.zeros(len(pairs[0]), "<i4").tobytes(), "pairs": len(pairs[0])}
    for side, records, index, wanted in zip(("left", "right"), (left, right), pairs, columns, strict=True):
        row |= {
            f"{side}_source": records.source,
            f"{side}_keys": records.keys.astype("<i8").tobytes(),
            f"{side}_payload": stream(records.table().select(wanted)),
            f"{side}_index": index.astype("<i4").tobytes(),
        }
    return row


def batch_of(row: Row) -> pa.RecordBatch:
    columns = [column.split() for column in RECORD_BLOCK.split(", ")]
    kinds = {"string": pa.string(), "binary": pa.binary(), "bigint": pa.int64()}
    arrays = [pa.array([row[name]], kinds[kind]) for name, kind in columns]
    return pa.RecordBatch.from_arrays(arrays, names=[name for name, _ in columns])


def every_two(left: Records, right: Records) -> tuple[np.ndarray, np.ndarray]:
    i, j = np.divmod(np.arange(len(left) * len(right)), len(right))
    return i, j


PAYLOAD = (["image/embedding", "image/surroundings"], ["text/embedding", "text/surroundings", "text"])


def sides(fitted: Small) -> tuple[Records, Records]:
    """Pictures and texts with keys of any size, so that either may have the lesser."""
    keys = np.random.default_rng(0).integers(-(2**62), 2**62, 2 * N)
    drawn, told = fitted.drawn(), fitted.told()
    return Records("drawn", keys[:N], drawn.columns), Records("told", keys[N:], told.columns)


def test_every_item_with_all_its_vectors_is_encoded_as_without_spark(
    spark: SparkSession, fitted: Small
) -> None:
    identities = {m: e.identity() for m, e in fitted.extractors.items()}
    vectors = {"image": PICTURES[:4], "text": TEXTS[:4]}
    features, items = [], []
    for place, (modality, contents) in enumerate(vectors.items()):
        for number, vector in enumerate(fitted.extractors[modality].extract(contents)):
            key = 10 * place + number
            name = {"item_key": key, "item_id": f"things/{number}#{modality}", "modality": modality}
            items.append({**name, "record_key": number, "field": modality})
            features.append({**name, "extractor": identities[modality], "vector": vector.tolist()})
    features.append({**features[0], "extractor": "another-v1-x"})  # of no interest to this resolver
    items.append({"item_key": 99, "item_id": "things/9#image", "modality": "image", "record_key": 9})
    frames = table_of(spark, FEATURES, features).repartition(3), table_of(spark, ITEMS, items)
    found = stage.encode(fitted.encoder, *frames, "7")
    assert found.columns == EMBEDDINGS.column_names
    rows = {row.item_key: row for row in found.collect()}
    assert sorted(rows) == [0, 1, 2, 3, 10, 11, 12, 13]
    for place, (modality, contents) in enumerate(vectors.items()):
        placed = fitted.encoder.encode(modality, fitted.extractors[modality].extract(contents))
        for number in range(4):
            row = rows[10 * place + number]
            assert (row.record_key, row.source, row.field, row.model_version) == (
                number, "things", modality, "7",
            )  # fmt: skip
            assert np.array_equal(np.float32(row.embedding), placed.embedding[number])
            assert np.array_equal(np.float32(row.surroundings), placed.surroundings[number])
            assert row.code == placed.code[number].view(np.int64).tolist()


def test_an_item_that_lacks_one_of_its_vectors_is_left_out(spark: SparkSession) -> None:
    rows = [(1, "a", [1.0]), (1, "b", [2.0, 3.0]), (2, "a", [4.0]), (3, "b", [5.0, 6.0]), (3, "a", [7.0])]
    features = table_of(
        spark,
        FEATURES,
        [
            {"item_key": k, "item_id": f"s/{k}", "modality": "image", "extractor": e, "vector": v}
            for k, e, v in rows
        ],
    )
    found = {
        row.item_key: row.vector for row in stage.join_vectors(features, {"image": ["b", "a"]}).collect()
    }
    assert found == {1: [2.0, 3.0, 1.0], 3: [5.0, 6.0, 7.0]}


def test_nothing_is_encoded_where_fields_alone_are_compared(spark: SparkSession) -> None:
    found = stage.nothing_encoded(table_of(spark, ITEMS, []))
    assert found.columns == EMBEDDINGS.column_names
    assert found.isEmpty()


def test_spark_keeps_every_pair_from_the_threshold_on_with_its_evidence(
    spark: SparkSession, fitted: Small
) -> None:
    drawn, told = sides(fitted)
    i, j = every_two(drawn, told)
    names = [column.split()[0] for column in RECORD_BLOCK.split(", ")]
    made = block(drawn, told, (i, j), PAYLOAD)
    blocks = spark.createDataFrame([tuple(made[name] for name in names)], RECORD_BLOCK)
    scored = stage.score_blocks(blocks, fitted.resolver, 0.05).collect()

    comparer, scorer = fitted.resolver.comparer, fitted.resolver.scorer
    evidence = comparer.evidence(comparer.prepare(drawn), comparer.prepare(told), i, j)
    probability = scorer.probability(evidence)
    wanted = {
        tuple(sorted((int(drawn.keys[a]), int(told.keys[b])))): row
        for row, (a, b) in enumerate(zip(i, j, strict=True))
        if probability[row] >= 0.05
    }
    found = {(row.left_key, row.right_key): row for row in scored}
    assert N <= len(wanted) < N * N
    assert set(found) == set(wanted)
    assert len(scored) == len(found)
    of = dict.fromkeys(drawn.keys.tolist(), "drawn") | dict.fromkeys(told.keys.tolist(), "told")
    for pair, row in wanted.items():
        known = found[pair]
        assert (known.left_source, known.right_source) == (of[pair[0]], of[pair[1]])
        assert known.probability == pytest.approx(probability[row], abs=1e-6)
        assert known.kind == evidence.kind[row]
        there = {n: v for n, v in zip(comparer.names, evidence.values[row].tolist(), strict=True) if v == v}
        assert known.evidence == pytest.approx(there, abs=1e-6)
        assert set(there) == {"image~text/cosine", "image~text/csls"}


def test_the_candidates_of_blocking_are_scored_as_they_come(spark: SparkSession, fitted: Small) -> None:
    """What blocking sends has all that scoring reads."""
    drawn, told = sides(fitted)
    wide = [side.table().append_column("source", pa.array([side.source] * N)) for side in (drawn, told)]
    described = spark.createDataFrame(pa.concat_tables(wide, promote_options="default"))
    payload = dict(zip(("drawn", "told"), PAYLOAD, strict=True))
    blocks = record_blocks(described, fitted.resolver.blockers, 3, payload)
    scored = stage.score_blocks(blocks, fitted.resolver, 0.0).collect()
    whole = fitted.resolver.similarity(drawn, told)
    place = {int(k): n for side in (drawn, told) for n, k in enumerate(side.keys)}
    assert N * 10 <= len(scored) == len({(row.left_key, row.right_key) for row in scored}) < N * N
    for row in scored:
        a, b = (row.left_key, row.right_key) if row.left_source == "drawn" else (row.right_key, row.left_key)
        odds = np.log(row.probability) - np.log1p(-row.probability)
        assert odds == pytest.approx(whole[place[a], place[b]], abs=1e-3)


def test_evidence_maps_hold_what_is_there() -> None:
    values = np.array([[np.nan, 0.5], [1.0, 0.25], [np.nan, np.nan]], np.float32)
    found = stage.evidence_maps(Evidence(values, np.zeros(3, np.int16)), ["a~a/equal", "a~b/cosine"])
    assert [dict(each) for each in found.to_pylist()] == [
        {"a~b/cosine": 0.5},
        {"a~a/equal": 1.0, "a~b/cosine": 0.25},
        {},
    ]
    none = stage.evidence_maps(Evidence(values[:0], np.zeros(0, np.int16)), ["a~a/equal", "a~b/cosine"])
    assert none.to_pylist() == []


def scored(fitted: Small, pairs: tuple[np.ndarray, np.ndarray], rows: slice = slice(None)) -> pa.Table:
    drawn, told = (side.where(np.arange(N)[rows]) for side in (fitted.drawn(), fitted.told()))
    run = stage.Score(SimpleNamespace(value=saved_files(fitted.resolver)), 0.0)
    return pa.Table.from_batches(list(run([batch_of(block(drawn, told, pairs, PAYLOAD))])))


def test_a_large_block_is_scored_in_parts(fitted: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = every_two(fitted.drawn(), fitted.told())
    whole = scored(fitted, pairs)
    monkeypatch.setattr(stage, "PAIRS_AT_A_TIME", 300)
    parts = scored(fitted, pairs)
    assert [whole["left_key"].num_chunks, parts["left_key"].num_chunks] == [1, 6]
    assert parts.drop_columns("evidence").equals(whole.drop_columns("evidence"))
    assert parts["evidence"].to_pylist() == whole["evidence"].to_pylist()


def test_a_pair_has_the_same_probability_in_any_block(fitted: Small) -> None:
    whole = scored(fitted, every_two(fitted.drawn(), fitted.told()))["probability"].to_numpy().reshape(N, N)
    for size in (1, 3, 17, N):
        i, j = np.divmod(np.arange(size * size), size)
        part = scored(fitted, (i, j), slice(N - size, N))["probability"].to_numpy()
        np.testing.assert_array_equal(part.reshape(size, size), whole[-size:, -size:])


def test_a_block_without_pairs_gives_none(fitted: Small) -> None:
    nothing = np.empty(0, np.int64)
    run = stage.Score(SimpleNamespace(value=saved_files(fitted.resolver)), 0.0)
    row = block(fitted.drawn(), fitted.told(), (nothing, nothing), PAYLOAD)
    assert list(run([batch_of(row)])) == []


def test_records_of_a_block_may_all_lack_what_others_have(fitted: Small) -> None:
    """A payload of nothing but NULL is a record without contents, and none that the scorer knows."""
    drawn, told = fitted.drawn(), fitted.told()
    bare = pa.table({name: pa.nulls(N, pa.list_(pa.float32())) for name in PAYLOAD[0]})
    row = block(drawn, told, every_two(drawn, told), PAYLOAD) | {"left_payload": stream(bare)}
    run = stage.Score(SimpleNamespace(value=saved_files(fitted.resolver)), 1e-9)
    assert sum(batch.num_rows for batch in run([batch_of(row)])) == 0


def test_a_task_uses_the_resolver_of_the_task_before_it(fitted: Small) -> None:
    from pyspark import cloudpickle  # type: ignore[attr-defined]

    state = saved_files(fitted.resolver)
    run = stage.Score(SimpleNamespace(value=state), 0.0)
    drawn, told = fitted.drawn(), fitted.told()
    blocks = [batch_of(block(drawn, told, every_two(drawn, told), PAYLOAD))]
    loaded = []
    for _ in range(2):
        list(cloudpickle.loads(cloudpickle.dumps(run))(blocks))
        loaded.append(loaded_once(state, Resolver.load))
    assert loaded[0] is loaded[1]
