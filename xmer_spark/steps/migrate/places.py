"""Where the items of version 1 belong: of which record of the configured sources each is, and in which field.

An item of version 1 had a source, a key and one modality, and may have shared a record with items of other
sources. Where its source is still configured, it is the record of that source and key. Where it is not, but
the records that it shared are (``records`` of the old configuration is a source of the new), it is a content
of theirs.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from xmer_spark.errors import ConfigError, XmerError
from xmer_spark.names import direction_name
from xmer_spark.schema import MODALITIES

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from xmer_spark.config import Config

log = logging.getLogger("xmer")

#: The columns that tell items of one kind from others.
_KIND = ("source", "records", "modality")


class Place(NamedTuple):
    """Where the items of one kind belong; ``field`` is None of what is no item any more, a row of a table."""

    source: str
    records: str  # the first part of the ids of their records
    modality: str
    into: str  # the source of their records now
    field: str | None
    nth: int  # the field's place in the configuration
    several: bool  # whether the source has several contents, so that items are called by their fields


_PLACE = "source string, records string, modality string, into string, field string, nth int, several boolean"


def places(tables: Sequence[DataFrame], config: Config) -> list[Place]:
    """A place for each kind of the items that old tables name; a ConfigError says what has none."""
    from pyspark.sql import functions as F

    kinds = (
        (rows.withColumn("records", _records()).withColumn("shared", F.col("record_id") != F.col("item_id")))
        for rows in tables
    )
    # A row for each source and what it shared: few.
    counted = [rows.groupBy(*_KIND).agg(F.count_if("shared").alias("shared")).collect() for rows in kinds]
    found = {(row.source, row.records, row.modality): row.shared for rows in counted for row in rows}
    chosen = [_place(*kind, config) for kind in sorted(found)]
    for place in chosen:
        shared = found[place[:3]]
        if shared and place.into == place.source:
            log.warning(
                "migrate: %s: %d items shared their records with others; each is a record of its own now",
                direction_name(place.records, place.source), shared,
            )  # fmt: skip
    return chosen


def placed(rows: DataFrame, chosen: list[Place]) -> DataFrame:
    """Old items or members with record_id, source and item_id of today, beside field, nth and ``was``.

    ``was`` is the item's old id, ``item_id`` NULL where it is no item any more.
    """
    from pyspark.sql import functions as F

    table = F.broadcast(rows.sparkSession.createDataFrame(chosen, _PLACE))
    own = F.col("into") == F.col("source")
    record_id = F.when(own, F.col("item_id")).otherwise(F.col("record_id"))
    item_id = F.when(F.col("several"), F.concat_ws("#", record_id, "field")).otherwise(record_id)
    return (
        rows.withColumn("records", _records())
        .join(table, list(_KIND))
        .withColumns(
            {
                "was": F.col("item_id"),
                "record_id": record_id,
                "item_id": F.when(F.col("field").isNotNull(), item_id),
                "source": F.col("into"),
            }
        )
        .drop("records", "into", "several")
    )


def renames(chosen: list[Place]) -> bool:
    """Whether any item has another id now."""
    return any(place.field and (place.several or place.into != place.source) for place in chosen)


def check_single(rows: DataFrame, key: str, of: str) -> None:
    """An XmerError where a key of today would stand for several things of the old tables."""
    from pyspark.sql import functions as F

    several = rows.where(F.col(key).isNotNull()).groupBy(key).agg(F.count_distinct(of).alias("n"))
    for row in several.where("n > 1").orderBy(key).limit(1).collect():
        raise XmerError(
            f"migrate: {row[key]} would be one, and the old tables have {row['n']} of it, each with its own "
            f"{'item' if of == 'was' else of}: keep their sources apart in the configuration, under the old "
            "names, at least until the tables are carried over"
        )


def _records() -> Column:
    from pyspark.sql import functions as F

    return F.substring_index("record_id", "/", 1)


def _place(source: str, records: str, modality: str, config: Config) -> Place:
    sources = {each.name: each for each in config.source}
    into = next((name for name in (source, records) if name in sources), None)
    if into is None:
        raise ConfigError(
            f"migrate: the old tables have items of source {source}, and {config.name} has no source of that "
            "name: call the one that holds them so, at least until the tables are carried over"
        )
    contents = sources[into].contents()
    fields = [name for name, field in contents.items() if field.content_modality == modality]
    if modality in MODALITIES and len(fields) != 1:
        raise ConfigError(
            f"migrate: source {into} had one {modality} a record, and now has {len(fields)} such fields"
            f"{''.join(f', {name}' for name in fields)}: which of them that was cannot be told; leave it "
            "one, at least until the tables are carried over"
        )
    field = fields[0] if modality in MODALITIES else None
    nth = list(sources[into].all_fields()).index(field) if field else 0
    return Place(source, records, modality, into, field, nth, len(contents) > 1)
