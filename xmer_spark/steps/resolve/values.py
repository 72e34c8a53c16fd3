"""What each record says of its fields, and the rules by which entities take the best of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from xmer_spark.config import Config
    from xmer_spark.entities.merging.stage import Merging


def merging(records: DataFrame, items: DataFrame, config: Config) -> Merging:
    """Scalar fields as they are, texts, and of pictures the item's id.

    A picture is read only where a rule asks for its size.
    """
    from pyspark.sql import functions as F

    from xmer_spark.entities.merging.stage import Merging

    rules = config.entities.rules(config.source)
    sized = [name for name, rule in rules.items() if rule.rule == "best_picture"]
    size = F.when(F.col("field").isin(sized), F.octet_length("image")) if sized else F.lit(None)
    contents = (
        items.where(F.col("field").isin(*rules) & F.col("vector").isNull())
        .select("record_key", "field", F.coalesce("text", "item_id").alias("value"), size.alias("bytes"))
        .groupBy("record_key")
        .agg(
            F.map_from_entries(F.collect_list(F.struct("field", "value"))).alias("contents"),
            F.map_from_entries(F.collect_list(F.struct("field", "bytes"))).alias("bytes"),
        )
    )
    nothing = F.create_map().cast("map<string,string>")
    said = records.join(contents, "record_key", "left").select(
        "record_key", F.map_concat("fields", F.coalesce("contents", nothing)).alias("said"), "bytes"
    )
    return Merging(said, rules, config.entities.sources(config.source))
