"""The best value of each field of an entity by the field's rule, and the record that it is from, on Spark."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from xmer_spark.config import ValueRule

#: What a value is worth by each rule, the more the better; NULL is worth less than anything.
_WORTH: Mapping[str, Callable[[ValueRule], Column]] = {
    "most_trusted": lambda rule: F.lit(None),  # all are worth the same, so the sources decide
    "most_frequent": lambda rule: F.count("*").over(Window.partitionBy("cluster", "field", "value")),
    "newest": lambda rule: F.unix_date(F.col("dates")[rule.by].try_cast("date")),
    "longest": lambda rule: F.length("value"),
    # No table tells pixels, and bytes tell of detail, too: a picture that was only enlarged has few more.
    "best_picture": lambda rule: F.col("bytes")[F.col("field")],
}


class Merging(NamedTuple):
    """What records say, and how the best of it is chosen.

    ``said`` has record_key, said (a map of field to value) and bytes (a map of field to the size of its
    picture, which best_picture needs); ``rules`` has every field that is to have a value, ``trust`` the
    sources, the most trusted first.
    """

    said: DataFrame
    rules: Mapping[str, ValueRule]
    trust: Sequence[str]


def merged(placed: DataFrame, merging: Merging) -> DataFrame:
    """The values of clusters: cluster, values and value_records, both by field; no row where nothing is said.

    ``placed`` has record_key, record_id, source, cluster and strength. Of values that are worth the same that
    of the most trusted source is taken, then that of the best connected record, then of the least record id.
    """
    about = placed.select("record_key", "record_id", "source", "cluster", "strength")
    by = [rule.by for rule in merging.rules.values() if rule.by is not None]
    values = (
        about.join(merging.said, "record_key")
        .repartition("cluster")  # once for all that follows
        .withColumn("dates", F.map_filter("said", lambda field, _: field.isin(by)))
        .select(*about.columns, "dates", "bytes", F.explode("said").alias("field", "value"))
        .where(F.col("field").isin(*merging.rules))
        .withColumn("worth", _worth(merging.rules))
        .withColumn("order", _order(merging.trust))
    )
    best = values.groupBy("cluster", "field").agg(
        F.min_by(F.struct("value", "record_id"), "order").alias("best")
    )
    # sorted, for equal maps must be equal to the last byte
    chosen = F.array_sort(F.collect_list(F.struct("field", "best.value", "best.record_id")))
    return (
        best.groupBy("cluster")
        .agg(chosen.alias("chosen"))
        .select(
            "cluster",
            F.map_from_arrays("chosen.field", "chosen.value").alias("values"),
            F.map_from_arrays("chosen.field", "chosen.record_id").alias("value_records"),
        )
    )


def _worth(rules: Mapping[str, ValueRule]) -> Column:
    """What a value is worth by the rule of its field."""
    alike = defaultdict(list)
    for name, rule in rules.items():
        alike[rule].append(name)
    worths = (F.when(F.col("field").isin(names), _WORTH[rule.rule](rule)) for rule, names in alike.items())
    return F.coalesce(*worths, F.lit(None).cast("bigint"))


def _order(trust: Sequence[str]) -> Column:
    """Where a value comes among those of its field: the first is the best, and no two come together."""
    places = (F.when(F.col("source") == name, F.lit(place)) for place, name in enumerate(trust))
    place = F.coalesce(*places, F.lit(len(trust)))
    strength = F.coalesce("strength", F.lit(0))
    return F.struct(F.col("worth").isNull(), -F.col("worth"), place, -strength, F.col("record_id"))
