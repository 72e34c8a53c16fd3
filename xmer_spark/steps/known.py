"""What is known of the items, as ingest notes it for training: the truth, and how many items a source has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from xmer_spark.store.runs import Context


def labelled(items: DataFrame) -> DataFrame:
    return items.where("split IN ('train', 'validation') AND entity IS NOT NULL")


def population(items: DataFrame) -> dict[str, int]:
    """The number of items by source."""
    return {row["source"]: row["count"] for row in items.groupBy("source").count().collect()}


def facts(items: DataFrame) -> dict[str, Any]:
    """The labelled items and their content as one number, how many they are, and the items of each source."""
    from pyspark.sql import functions as F

    content = F.xxhash64("item_id", "content_hash", "entity", "label", "split")
    # A sum does not depend on the order of rows; decimals do not overflow.
    total = labelled(items).agg(F.sum(content.cast("decimal(38,0)")), F.count("*")).first()
    assert total is not None
    return {"truth": str(total[0]), "labelled": total[1], "sources": dict(sorted(population(items).items()))}


def digest(context: Context, extractors: Sequence[Sequence[str]]) -> list[object]:
    """What a model depends on, so that new items without truth do not make a new model.

    What is known of the items, the extractors, and the number of items of each source.
    """
    return [context.last_run("ingest").facts["known"], [list(each) for each in extractors]]
