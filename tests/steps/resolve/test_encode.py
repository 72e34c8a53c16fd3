"""Items that have no embedding are told by source, and stop a resolution where they are too many."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from tests.frames import items_of
from xmer_spark.errors import AuditError
from xmer_spark.steps.resolve.encode import Coverage, check_coverage, coverage

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

COMPLETE = Coverage("photos", "image", 100, 0)


def test_each_source_s_items_without_an_embedding_are_counted(spark: SparkSession) -> None:
    items = items_of(
        spark,
        [
            (key, source, f"r{key}", modality, None, None)
            for key, source, modality in (
                (1, "photos", "image"),
                (2, "photos", "image"),
                (3, "names", "text"),
                (4, "names", "text"),
                (5, "names", "text"),
            )
        ],
    )
    embeddings = spark.createDataFrame([(1,), (2,), (4,), (99,)], "item_key bigint")
    assert coverage(items, embeddings) == [
        Coverage("names", "text", 3, 2),
        Coverage("photos", "image", 2, 0),
    ]


def test_complete_sources_are_not_worth_a_word(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        check_coverage([COMPLETE], ["image"], 0.0)
    assert caplog.text == ""


def test_few_without_an_embedding_are_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        check_coverage([COMPLETE, Coverage("names", "text", 1_000, 11)], ["image", "text"], 0.01)
    assert "11 of 1,100 items have no embedding: 11 of 1,000 of source names. " in caplog.text


def test_too_many_without_an_embedding_stop_it_and_the_reason_is_told() -> None:
    found = [COMPLETE, Coverage("names", "text", 1_000, 12)]
    with pytest.raises(
        AuditError,
        match=r"12 of 1,000 of source names \(the model knows image, not text\).*without_embedding = 0\.01",
    ):
        check_coverage(found, ["image"], 0.01)
