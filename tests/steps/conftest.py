"""A warehouse that was resolved, for what measures and shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.steps import things
from xmer_spark.store.runs import Context

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="session")
def resolved_things(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Context:
    """The things, resolved and measured: what needs a trained model was not."""
    from xmer_spark.steps.evaluate import measure, tables

    context = things.publish(spark, tmp_path_factory.mktemp("things"))
    with context.job("evaluate", ["records", "items", "members", "matches"], {}) as job:
        known = tables.held_out(job)
        tables.count(job, known)
        measure.measure_clusters(job, known)
        measure.measure_probabilities(job, known)
    return context
