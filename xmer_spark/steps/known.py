"""What is known of the items, as ingest notes it for training: the truth, and how many items a source has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from xmer_spark.store.runs import Context


_LABELLED = "split IN ('train', 'validation') AND entity IS NOT NULL"


def labelled(items: DataFrame) -> DataFrame:
    return items.where(_LABELLED)


def facts(items: DataFrame) -> dict[str, Any]:
    """The labelled items and their content as one number, how many they are, and the items of each source."""
    from pyspark.sql import functions as F

    content = F.xxhash64("item_id", "content_hash", "entity", "label", "split")
    known = F.expr(_LABELLED)
    rows = (
        items.groupBy("source")
        .agg(
            # A sum does not depend on the order of rows; decimals do not overflow.
            F.sum(F.when(known, content.cast("decimal(38,0)"))).alias("truth"),
            F.count_if(known).alias("labelled"),
            F.count("*").alias("items"),
        )
        .orderBy("source")
        .collect()
    )
    return {
        "truth": str(sum(int(row["truth"] or 0) for row in rows)),
        "labelled": sum(row["labelled"] for row in rows),
        "sources": {row["source"]: row["items"] for row in rows},
    }


def noted(context: Context) -> dict[str, Any]:
    """The ``facts`` of the items that are published."""
    found: dict[str, Any] = context.last_run("ingest").facts["known"]
    return found


def digest(context: Context, extractors: Sequence[Sequence[str]]) -> list[object]:
    """What a model depends on, so that new items without truth do not make a new model.

    What is known of the items, the extractors, and the number of items of each source.
    """
    return [noted(context), [list(each) for each in extractors]]
