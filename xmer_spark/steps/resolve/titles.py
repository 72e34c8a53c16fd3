"""What an entity shows of a record: its modalities, its title, and an item of each modality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from xmer_spark.schema import MODALITIES

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from xmer_spark.config import Source


def titled(records: DataFrame, items: DataFrame, sources: Sequence[Source]) -> DataFrame:
    """Records with modalities (sorted), title, and items, a map of modality to item id.

    The order of a source's fields in the configuration decides: the title is its first text, else its first
    name, else NULL; of several items of one modality the first is taken. What the configuration does not
    name is left out.
    """
    from pyspark.sql import functions as F

    content = F.struct("field", F.struct("modality", "item_id", "text"))
    by_record = items.groupBy("record_key").agg(F.map_from_entries(F.collect_list(content)).alias("contents"))
    contents = {source.name: list(source.contents()) for source in sources}
    names = {
        source.name: [name for name, field in source.scalars().items() if field.type == "name"]
        for source in sources
    }
    shown = records.join(by_record, "record_key", "left").withColumns(
        {"contents": _values("contents", contents), "names": _values("fields", names)}
    )
    firsts = F.array(
        *(F.struct(F.lit(m).alias("key"), _first(m, "item_id").alias("value")) for m in MODALITIES)
    )
    return shown.select(
        *records.columns,
        F.array_sort(F.array_distinct("contents.modality")).alias("modalities"),
        F.coalesce(_first("text", "text"), F.get("names", F.lit(0))).alias("title"),
        F.map_from_entries(F.filter(firsts, lambda entry: entry["value"].isNotNull())).alias("items"),
    )


def _values(column: str, keys: Mapping[str, Sequence[str]]) -> Column:
    """The values that a map has of the keys of the record's source, in their order."""
    from pyspark.sql import functions as F

    listed = (
        F.when(F.col("source") == source, F.array(*map(F.lit, names)).cast("array<string>"))
        for source, names in keys.items()
    )
    own = F.coalesce(*listed, F.array().cast("array<string>"))
    return F.array_compact(F.transform(own, lambda key: F.col(column)[key]))


def _first(modality: str, value: str) -> Column:
    """That value of the first content of the modality that has one; NULL where none has."""
    from pyspark.sql import functions as F

    def fits(content: Column) -> Column:
        return (content["modality"] == modality) & content[value].isNotNull()

    return F.get(F.filter("contents", fits), F.lit(0))[value]
