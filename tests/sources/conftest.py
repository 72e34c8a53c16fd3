"""Sources read through Spark, into the rows of the three tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.sources.tables import Read, Rows, Tables
from xmer_spark.config import Ingest, Source, Truth
from xmer_spark.schema import ITEMS, RECORDS, REJECTS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture
def read(spark: SparkSession, tmp_path: Path) -> Iterator[Read]:
    """Read sources, given as dicts, from the test's folder."""
    from xmer_spark.sources import stage

    def read(
        *sources: dict[str, Any], root: Path = tmp_path, truth: Rows | tuple[()] = (), **limits: Any
    ) -> Tables:
        settings, truths = Ingest.model_validate(limits), [Truth.model_validate(each) for each in truth]
        chosen = [Source.model_validate(source) for source in sources]
        checked = stage.read_sources(spark, chosen, settings, root)
        entities = stage.true_entities(spark, truths, settings, root)
        frames = stage.tables(checked, chosen, settings, entities, truths)
        for frame, table in zip(frames, (RECORDS, ITEMS, REJECTS), strict=True):
            assert frame.columns == table.column_names
        return Tables(
            *([row.asDict() for row in frame.collect()] for frame in (*frames, stage.missing_values(checked)))
        )

    yield read
    spark.catalog.clearCache()
