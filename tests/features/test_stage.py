"""Extraction in a real Spark session."""

from __future__ import annotations

import hashlib
import io
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from xmer_spark.config import Extract
from xmer_spark.errors import XmerError
from xmer_spark.features import REGISTRY
from xmer_spark.features.stage import RESULT, extract_features, failures, fit_extractor, missing

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def png(colour: str) -> bytes:
    image = Image.new("RGB", (32, 32), "white")
    image.paste(colour, (8, 4, 20, 28))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


IMAGES = [png("red"), png("navy"), png("yellow")]
TEXTS = [
    "red apple, fruit",
    "green apple, fruit",
    "steam train, railway",
    "fast train, railway",
    "cat face, pet",
]
SETTINGS = Extract(batch_size=4, device="cpu")
ITEMS = (
    "item_id string, item_key bigint, content_hash string, modality string, split string, "
    "text string, image binary, vector array<float>"
)


def item(key: int, modality: str, content: Any, split: str = "train") -> tuple[Any, ...]:
    digest = hashlib.sha256(repr(content).encode()).hexdigest()
    columns = [content if kind == modality else None for kind in ("text", "image", "vector")]
    return (f"s/{key}", key, digest, "image" if modality == "vector" else modality, split, *columns)


def items_of(spark: SparkSession, rows: list[tuple[Any, ...]]) -> DataFrame:
    return spark.createDataFrame(rows, ITEMS)


def test_every_item_has_one_row_for_each_extractor_of_its_modality(spark: SparkSession) -> None:
    images = [item(i, "image", IMAGES[i % 3]) for i in range(20)]
    texts = [item(100 + i, "text", text) for i, text in enumerate(TEXTS)]
    extractors = [REGISTRY.build("colour"), REGISTRY.build("hog"), REGISTRY.build("tfidf").fit(TEXTS)]
    features = extract_features(items_of(spark, images + texts), extractors, SETTINGS)
    assert features.schema == spark.createDataFrame([], RESULT).schema
    found = {(r.item_key, r.extractor): r for r in features.collect()}
    assert len(found) == 2 * len(images) + len(texts)
    assert all(r.error is None for r in found.values())
    for extractor in extractors[:2]:
        expected = extractor.extract(IMAGES)
        vectors = [found[i, extractor.identity()].vector for i in range(20)]
        np.testing.assert_allclose(vectors, expected[np.arange(20) % 3], atol=1e-5)
    text_vectors = [found[100 + i, extractors[2].identity()].vector for i in range(len(TEXTS))]
    np.testing.assert_allclose(text_vectors, extractors[2].extract(TEXTS), atol=1e-5)


def test_a_broken_item_has_an_error_and_takes_no_other_with_it(spark: SparkSession) -> None:
    broken = [item(50, "image", b"no image"), item(51, "image", IMAGES[0][:60]), item(52, "image", None)]
    good = [item(i, "image", IMAGES[i % 3]) for i in range(6)]
    rows = extract_features(items_of(spark, good + broken), [REGISTRY.build("hog")], SETTINGS).collect()
    errors = {r.item_key: r.error for r in rows if r.vector is None}
    assert sorted(errors) == [50, 51, 52]
    assert "cannot identify image" in errors[50]
    assert errors[52] == "ValueError: the item has no image"
    assert sorted(r.item_key for r in rows if r.error is None) == list(range(6))


def test_vectors_that_came_with_the_items_are_copied_and_bad_ones_named(spark: SparkSession) -> None:
    good = [item(i, "vector", [float(i), 4.0]) for i in range(5)]
    bad = [item(9, "vector", [float("nan"), 1.0])]
    extractor = REGISTRY.build("precomputed", {"transform": "sqrt"})
    rows = extract_features(items_of(spark, good + bad), [extractor], SETTINGS).orderBy("item_key").collect()
    np.testing.assert_allclose([r.vector for r in rows[:5]], [[i**0.5, 2] for i in range(5)], rtol=1e-6)
    assert rows[5].vector is None
    assert rows[5].error == "the vector is empty or not finite"


def test_the_work_is_spread_over_the_cores_however_small_the_items_are(spark: SparkSession) -> None:
    from pyspark.sql import functions as F

    items = items_of(spark, [item(i, "vector", [float(i), 4.0]) for i in range(40)]).coalesce(1)
    features = extract_features(items, [REGISTRY.build("precomputed")], SETTINGS)
    partitions = {r.partition for r in features.withColumn("partition", F.spark_partition_id()).collect()}
    assert len(partitions) >= spark.sparkContext.defaultParallelism


def test_only_what_is_missing_is_extracted(spark: SparkSession) -> None:
    hog, colour = REGISTRY.build("hog"), REGISTRY.build("colour")
    rows = [item(i, "image", IMAGES[i]) for i in range(3)]
    items = items_of(spark, rows)
    features = extract_features(items, [hog], SETTINGS).drop("error").localCheckpoint()
    assert missing(items, features, [hog]).isEmpty()

    changed = items_of(spark, [*rows[:2], item(2, "image", IMAGES[0])])
    assert [r.item_key for r in missing(changed, features, [hog]).collect()] == [2]

    both = extract_features(missing(changed, features, [hog, colour]), [hog, colour], SETTINGS).collect()
    assert sorted((r.item_key, r.extractor.split("-")[0]) for r in both) == [
        (0, "colour"),
        (1, "colour"),
        (2, "colour"),
        (2, "hog"),
    ]


def test_an_extractor_is_fitted_on_a_repeatable_bounded_sample_of_training_items(
    spark: SparkSession,
) -> None:
    rows = [item(i, "text", f"{text} {i}") for i, text in enumerate(TEXTS * 3)]
    others = [item(90, "text", "a test item", split="test"), item(91, "image", IMAGES[0])]
    items = items_of(spark, rows + others)
    fitted, left_out = fit_extractor(items, REGISTRY.build("tfidf"), sample=8, seed=1)
    again, _ = fit_extractor(items.orderBy("text").repartition(3), REGISTRY.build("tfidf"), sample=8, seed=1)
    other, _ = fit_extractor(items, REGISTRY.build("tfidf"), sample=8, seed=2)
    assert left_out == len(rows) - 8
    assert fitted.identity() == again.identity() != other.identity()
    everything, left_out = fit_extractor(items, REGISTRY.build("tfidf"), sample=1000, seed=1)
    assert left_out == 0
    assert "test" not in everything.words_["vocabulary"]


def test_fitting_on_no_training_item_is_refused(spark: SparkSession) -> None:
    items = items_of(spark, [item(0, "image", IMAGES[0])])
    with pytest.raises(XmerError, match="no text item of split train"):
        fit_extractor(items, REGISTRY.build("tfidf"), sample=8, seed=1)
    assert fit_extractor(items, REGISTRY.build("minilm"), sample=8, seed=1)[1] == 0


def test_without_a_labelled_item_an_extractor_is_fitted_on_those_that_nothing_is_known_of(
    spark: SparkSession,
) -> None:
    unknown = [(*item(i, "text", text)[:4], None, text, None, None) for i, text in enumerate(TEXTS)]
    items = items_of(spark, [*unknown, item(90, "text", "a test item", split="test")])
    fitted, left_out = fit_extractor(items, REGISTRY.build("tfidf"), sample=100, seed=1)
    assert left_out == 0
    # It learns from no truth, so nothing is held back of what no split says to be training.
    assert {"apple", "test"} <= set(fitted.words_["vocabulary"])
    known = items.unionByName(
        items_of(spark, [item(91, "text", "a training item"), item(92, "text", "an item")])
    )
    taken, _ = fit_extractor(known, REGISTRY.build("tfidf"), sample=100, seed=1)
    assert taken.identity() != fitted.identity()


def test_what_failed_is_a_reject_of_its_record_and_field(spark: SparkSession) -> None:
    """The key is what stands behind the source, slashes and signs of its own included."""
    from tests.frames import columns_of, table_of
    from xmer_spark.schema import ITEMS as TABLE
    from xmer_spark.schema import REJECTS

    named = [
        (1, "s/plain", "photo", "plain"),
        (2, "s/a/b#photo", "photo", "a/b"),
        (3, "s/odd#1", "photo", "odd#1"),
        (4, "s/odd#1#photo.2", "photo.2", "odd#1"),
        (5, "s/fine", "photo", None),
    ]
    items = table_of(spark, TABLE, [{"item_key": k, "item_id": i, "field": f} for k, i, f, _ in named])
    rows = [
        (i, k, "hog-v1", "c", "image", None if key else [1.0], "ValueError: broken" if key else None)
        for k, i, _, key in named
    ]
    kinds = dict(column.split(" ", 1) for column in RESULT.split(", "))
    place = ("item_id", "item_key", "extractor", "content_hash", "modality", "vector", "error")
    extracted = spark.createDataFrame(rows, ", ".join(f"{name} {kinds[name]}" for name in place))
    found = failures(extracted, items)
    assert found.columns == [column.split()[0] for column in columns_of(REJECTS).split(", ")]
    told = {(r.source, r.key, r.field, r.reason, r.detail) for r in found.collect()}
    assert told == {
        ("s", key, field, "extraction_failed", "hog-v1: ValueError: broken")
        for _, _, field, key in named
        if key
    }


def test_no_items_give_no_features(spark: SparkSession) -> None:
    items = items_of(spark, [])
    assert extract_features(items, [REGISTRY.build("hog")], SETTINGS).isEmpty()
    assert extract_features(items, [], SETTINGS).isEmpty()  # rows have no contents to extract


def test_the_block_reader_and_progress_work_without_spark(caplog: pytest.LogCaptureFixture) -> None:
    import pyarrow as pa

    from xmer_spark.features.worker import _blocks, _Progress

    def batch(start: int, n: int) -> pa.RecordBatch:
        return pa.RecordBatch.from_pydict({"content_hash": [f"{i // 2}" for i in range(start, start + n)]})

    blocks = list(_blocks([batch(0, 3), batch(3, 9), batch(12, 1)], rows=5))
    assert [b.rows.num_rows for b in blocks] == [5, 5, 3]
    hashes = [h for b in blocks for h in b.rows.column("content_hash").to_pylist()]
    assert hashes == [f"{i // 2}" for i in range(13)]
    assert [len(b.first) for b in blocks] == [3, 3, 2]

    progress = _Progress("3")
    progress.items = progress.rows = 13
    with caplog.at_level(logging.INFO, logger="xmer_spark.features.worker"):
        progress.report(last=True)
    assert "partition 3 done: 13 items, 13 features, 0 errors" in caplog.text


def test_the_first_block_of_a_process_is_extracted_with_no_thread_beside_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import threading

    import pyarrow as pa

    from xmer_spark.features import worker
    from xmer_spark.method import saved_files

    extractor = REGISTRY.build("colour", {})
    prepare, by = type(extractor).prepare, []

    def noted(self: Any, value: Any) -> Any:
        by.append(threading.current_thread() is threading.main_thread())
        return prepare(self, value)

    monkeypatch.setattr(type(extractor), "prepare", noted)
    monkeypatch.setattr(worker, "_HAVE_RUN", set())
    rows = [
        {"item_id": f"{n}", "item_key": n, "content_hash": f"{n}", "modality": "image", "image": png(colour)}
        for n, colour in enumerate(("red", "green", "blue", "white", "black", "yellow"))
    ]
    batch = pa.RecordBatch.from_pylist(rows)
    saved = {extractor.identity(): saved_files(extractor)}
    here = worker.Worker(saved, "cpu", batch_size=2, decode_threads=2)
    for first in (2, 0):
        by.clear()
        found = list(here.run([batch], "0"))
        assert [each.num_rows for each in found] == [2, 2, 2]
        assert sum(by) == first
        assert len(by) == 6
