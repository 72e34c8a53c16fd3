"""What is known of the records, as ingest notes it for training: the truth, and how many a source has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from xmer_spark.store.runs import Context


_LABELLED = "split IN ('train', 'validation') AND entity IS NOT NULL"


def labelled(records: DataFrame) -> DataFrame:
    return records.where(_LABELLED)


def facts(records: DataFrame) -> dict[str, Any]:
    """The labelled records and their content as one number, how many they are, and the records per source."""
    from pyspark.sql import functions as F

    content = F.xxhash64("record_id", "content_hash", "entity", "label", "split")
    known = F.expr(_LABELLED)
    rows = (
        records.groupBy("source")
        .agg(
            # A sum does not depend on the order of rows; decimals do not overflow.
            F.sum(F.when(known, content.cast("decimal(38,0)"))).alias("truth"),
            F.count_if(known).alias("labelled"),
            F.count("*").alias("records"),
        )
        .orderBy("source")
        .collect()
    )
    return {
        "truth": str(sum(int(row["truth"] or 0) for row in rows)),
        "labelled": sum(row["labelled"] for row in rows),
        "sources": {row["source"]: row["records"] for row in rows},
    }


def noted(context: Context) -> dict[str, Any]:
    """The ``facts`` of the records that are published."""
    found: dict[str, Any] = context.last_run("ingest").facts["known"]
    return found


def digest(context: Context, extractors: Sequence[Sequence[str]]) -> list[object]:
    """What a model depends on, so that new records without truth do not make a new model.

    What is known of the records, the extractors, and the number of records of each source.
    """
    return [noted(context), [list(each) for each in extractors]]
