"""Items that have no embedding are told by source, and stop a resolution where they are too many."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from tests.frames import table_of
from xmer_spark.errors import AuditError
from xmer_spark.schema import EMBEDDINGS, ITEMS, RECORDS
from xmer_spark.steps.resolve.encode import Coverage, check_coverage, coverage

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

COMPLETE = Coverage("photos", "image", 100, 0)


def test_each_source_s_items_without_an_embedding_are_counted_by_modality(spark: SparkSession) -> None:
    owners = {1: "photos", 2: "photos", 3: "names", 4: "names", 5: "goods", 6: "rows"}
    records = table_of(
        spark,
        RECORDS,
        [{"record_id": f"{s}/{key}", "record_key": key, "source": s} for key, s in owners.items()],
    )
    contents = [(1, "image"), (2, "image"), (3, "text"), (4, "text"), (5, "image"), (5, "text"), (5, "text")]
    items = table_of(
        spark,
        ITEMS,
        [
            {"item_key": 10 + number, "record_key": key, "modality": modality}
            for number, (key, modality) in enumerate(contents)
        ],
    )
    embeddings = table_of(spark, EMBEDDINGS, [{"item_key": key} for key in (10, 11, 13, 14, 99)])
    assert coverage(records, items, embeddings) == [
        Coverage("goods", "image", 1, 0),
        Coverage("goods", "text", 2, 2),
        Coverage("names", "text", 2, 1),
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
