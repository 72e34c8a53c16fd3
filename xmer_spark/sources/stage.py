"""Ingest on Spark: sources -> rows of the tables records, items and rejects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from pathlib import Path

import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_type
from pyspark.sql.types import DataType, MapType, StructField, VariantType

from xmer_spark.config import Ingest, Source, Truth
from xmer_spark.errors import ConfigError
from xmer_spark.files import Place, for_spark
from xmer_spark.schema import ITEMS, RECORDS, REJECTS, SPLITS
from xmer_spark.sources import REGISTRY, truth
from xmer_spark.sources.assembly import CHECKED_DDL
from xmer_spark.sources.check import check
from xmer_spark.sources.columns import as_wanted, check_once, columns_used
from xmer_spark.sources.place import folder_of, locate
from xmer_spark.sources.records import Reader, check_types, raw_batch, raw_ddl

_IDENTITY = ("content_hash", "label", "entity", "split")


def read_sources(spark: SparkSession, sources: Sequence[Source], limits: Ingest, root: Path) -> DataFrame:
    """The checked records of some sources, with the columns ``source`` and ``assembly.CHECKED``.

    Relative paths are relative to ``root``. Nothing is read yet, but what rests on the checked records shares
    them: they are kept on the executors' disks once they were computed, so that each file is read and
    decoded once. ``spark.catalog.clearCache()`` frees them.
    """
    read = [_read_source(spark, source, limits, root) for source in sources]
    return reduce(DataFrame.unionByName, read).persist(StorageLevel.DISK_ONLY)


def tables(
    checked: DataFrame, sources: Sequence[Source], limits: Ingest, entities: DataFrame | None = None,
    truths: Sequence[Truth] = (),
) -> tuple[DataFrame, DataFrame, DataFrame]:  # fmt: skip
    """The records, the items and the rejects among the checked records of ``read_sources``.

    A key that a source gives twice with the same fields, label, entity and split is one record. Where these
    differ nothing says which is right: the first usable one, by file and row, is kept, and the others are
    rejected as ``duplicate_key``. ``entities`` are those of ``true_entities``.
    """
    vectors = any(field.type == "vector" for source in sources for field in source.contents().values())
    told = _tell_repeats_apart(_refuse_odd_lengths(checked) if vectors else checked)
    record_id = F.concat_ws("/", "source", "key")
    keyed = told.where("usable").withColumns({"record_id": record_id, "record_key": F.xxhash64(record_id)})
    keyed, records_lost = separate_collisions(keyed, "record_id", "record_key")
    records = _with_pairs(keyed, entities, truths).withColumn("split", _split(sources, limits))
    items, items_lost = separate_collisions(_items(keyed, sources), "item_id", "item_key")
    rejects = _rejects(told).unionByName(records_lost).unionByName(items_lost)
    return records.select(*RECORDS.column_names), items.select(*ITEMS.column_names), rejects


def true_entities(
    spark: SparkSession, truths: Sequence[Truth], limits: Ingest, root: Path
) -> DataFrame | None:
    """The entity of each record that a pair of the truth names, put together on the driver; None without."""
    return spark.createDataFrame(truth.entities(truths, limits, root)) if truths else None


def unknown_keys(entities: DataFrame, records: DataFrame) -> DataFrame:
    """The record ids that pairs of the truth name and no source has."""
    return entities.join(records, "record_id", "left_anti").select("record_id")


def missing_values(checked: DataFrame) -> DataFrame:
    """How many values were taken for missing since a null marker stood there: source, column, values."""
    marked = checked.select("source", F.explode("missing").alias("column"))
    return marked.groupBy("source", "column").agg(F.count("*").alias("values")).orderBy("source", "column")


def separate_collisions(rows: DataFrame, name: str, key: str) -> tuple[DataFrame, DataFrame]:
    """The rows whose 64-bit ``key`` is theirs alone, and rejects for the others.

    Of several ids, in the column ``name``, with one key the least keeps it.
    """
    ids = F.min(name).alias("keeper"), F.count_distinct(name).alias("ids")
    keepers = _kept(rows.groupBy(key).agg(*ids).where("ids > 1").select(key, "keeper"))
    found = rows.join(F.broadcast(keepers), key, "left")
    collided = F.col("keeper").isNotNull() & (F.col("keeper") != F.col(name))
    rejects = found.where(collided).select(
        "source",
        "key",
        (F.col("field") if "field" in rows.columns else F.lit(None).cast("string")).alias("field"),
        F.lit("key_collision").alias("reason"),
        F.concat(F.lit("has the same 64-bit key as "), "keeper", F.lit("; give it another key")).alias(
            "detail"
        ),
        F.lit(None).cast("bigint").alias("bytes_seen"),
    )
    return found.where(~collided).drop("keeper"), rejects


def _read_source(spark: SparkSession, source: Source, limits: Ingest, root: Path) -> DataFrame:
    """The checked records of one source."""
    path = locate(source, root)
    raw = _delta(spark, source, path) if source.kind == "delta" else _read(spark, source, limits, path)

    def examine(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return check(batches, source, limits, folder_of(path))

    return raw.mapInArrow(examine, CHECKED_DDL).withColumn("source", F.lit(source.name))


def _read(spark: SparkSession, source: Source, limits: Ingest, path: Place) -> DataFrame:
    """Raw records from a reader, one task per part, then spread evenly: examining contents is the work."""
    reader: Reader = REGISTRY.build(source.kind, {"source": source, "path": path})
    parts = reader.parts()

    def records(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column("id").to_pylist():
                yield from reader.read(parts[number], limits)

    raw = spark.range(0, len(parts), 1, max(1, len(parts))).mapInArrow(records, raw_ddl(source))
    return raw.repartition(2 * spark.sparkContext.defaultParallelism, "part", "row")


def _delta(spark: SparkSession, source: Source, path: Place) -> DataFrame:
    """Raw records from a Delta table as it is now."""
    table, used = _loaded(spark, source, path), columns_used(source)
    columns = as_wanted(table.columns, used)
    check_once(f"source {source.name}", path, columns, used)
    stored = dict(zip(columns, table.schema.fields, strict=True))
    check_types(
        source, path, {n: _arrow_type(f.dataType) if n in used else pa.null() for n, f in stored.items()}
    )
    values = [_plain(stored[name]).alias(f"column_{place}") for place, name in enumerate(used)]
    file = F.element_at(F.split("_metadata.file_path", "/"), -1)
    rows = table.select(file.alias("part"), *values)
    # Delta does not say where in its file a row stands: its place is that among the file's by their hashes.
    content = F.xxhash64(*(name for name in rows.columns if name != "part"))
    placed = rows.withColumn("row", F.row_number().over(Window.partitionBy("part").orderBy(content)))

    def raw(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            values = {name: batch.column(f"column_{place}") for place, name in enumerate(used)}
            yield raw_batch(source, values, batch.column("part"), batch.column("row"))

    return placed.mapInArrow(raw, raw_ddl(source))


def _loaded(spark: SparkSession, source: Source, path: Place) -> DataFrame:
    try:
        return spark.read.format("delta").load(for_spark(path))
    except Exception as error:  # Spark's where there is no table, any of Java's where its log is damaged
        first = " ".join(str(error).splitlines()[:2])
        raise ConfigError(
            f"source {source.name}: {path} is not a Delta table that can be read ({first}); "
            f"restore the table, or see kind and path"
        ) from error


def _arrow_type(type_: DataType) -> pa.DataType:
    return to_arrow_type(type_, timezone="UTC")


def _plain(field: StructField) -> Column:
    """A column of a table, in JSON where Spark cannot compare its values."""
    column = F.col(_quoted(field.name))
    return F.to_json(column) if isinstance(field.dataType, MapType | VariantType) else column


def _quoted(column: str) -> str:
    return f"`{column.replace('`', '``')}`"


def _where() -> Column:
    """Where a record stands, for a person: its file, and its line or row there."""
    return F.concat_ws(":", "part", "row")


def _refuse_odd_lengths(checked: DataFrame) -> DataFrame:
    """Refuse vectors not as long as most of their field's; of equally frequent lengths the least counts."""
    vectors = (
        checked.where("usable")
        .select("source", F.explode("items").alias("item"))
        .where("item.vector IS NOT NULL")
    )
    lengths = vectors.select("source", "item.field", F.size("item.vector").alias("size"))
    counted = lengths.groupBy("source", "field", "size").agg(F.count("*").alias("n"))
    usual = counted.groupBy("source", "field").agg(
        F.min_by("size", F.struct(-F.col("n"), "size")).alias("usual")
    )
    by_field = _kept(
        usual.groupBy("source").agg(
            F.map_from_entries(F.collect_list(F.struct("field", "usual"))).alias("usual")
        )
    )
    found = checked.join(F.broadcast(by_field), "source", "left")

    def odd(item: Column) -> Column:
        differs = F.size(item["vector"]) != F.element_at("usual", item["field"])
        return F.coalesce(item["vector"].isNotNull() & differs, F.lit(False))

    def refusal(item: Column) -> Column:
        size = F.size(item["vector"])
        most = F.element_at("usual", item["field"])
        detail = F.concat(size.cast("string"), F.lit(" values, where most have "), most.cast("string"))
        return _refusal(item["field"], F.lit("bad_vector"), detail)

    fitting = F.filter("items", lambda item: ~odd(item))
    refused = F.transform(F.filter("items", odd), refusal)
    return found.withColumns(
        {
            "refusals": F.concat("refusals", refused),
            "usable": F.col("usable") & ((F.size(fitting) > 0) | (F.size("fields") > 0)),
            "items": fitting,
        }
    ).drop("usual")


def _kept(few: DataFrame) -> DataFrame:
    """A few rows that all tables are made with: found once, and freed with the checked records."""
    return few.persist(StorageLevel.DISK_ONLY)


def _refusal(field: Column, reason: Column, detail: Column) -> Column:
    names = ("field", "reason", "detail", "bytes_seen")
    values = (field, reason, detail, F.lit(None).cast("bigint"))
    return F.struct(*(value.alias(name) for name, value in zip(names, values, strict=True)))


def _tell_repeats_apart(checked: DataFrame) -> DataFrame:
    """Keep the first of identical records, and refuse the later ones that differ from it.

    Only keys and hashes are shuffled to find the later ones, which are few; content stays where it is.
    """
    same_key = Window.partitionBy("source", "key").orderBy("part", "row")
    first = F.first(F.struct(*_IDENTITY, _where().alias("where"))).over(same_key)
    nth = F.row_number().over(same_key)
    later = (
        checked.where("usable")
        .select("source", "part", "row", *_IDENTITY, first.alias("first"), nth.alias("nth"))
        .where("nth > 1")
    )
    differing = [
        F.when(~F.col(f"first.{c}").eqNullSafe(F.col(c)), c.removesuffix("_hash")) for c in _IDENTITY
    ]
    repeats = _kept(
        later.select(
            F.col("source").alias("repeat_source"),
            F.col("part").alias("repeat_part"),
            F.col("row").alias("repeat_row"),
            F.col("first.where").alias("first_where"),
            F.concat_ws(", ", *differing).alias("differing"),
        )
    )
    same_place = (
        (F.col("source") == F.col("repeat_source"))
        & F.col("part").eqNullSafe(F.col("repeat_part"))
        & F.col("row").eqNullSafe(F.col("repeat_row"))
    )
    found = checked.join(F.broadcast(repeats), same_place, "left")
    identical = F.coalesce(F.col("differing") == "", F.lit(False))
    detail = F.concat(
        F.lit("this key was given before, at "), "first_where", F.lit(", with other "), "differing"
    )
    refusal = F.array(_refusal(F.lit(None).cast("string"), F.lit("duplicate_key"), detail))
    differs = F.col("differing").isNotNull()
    return found.where(~identical).withColumns(
        {
            "usable": F.col("usable") & ~differs,
            "refusals": F.when(differs, refusal).otherwise(F.col("refusals")),
        }
    )


def _items(keyed: DataFrame, sources: Sequence[Source]) -> DataFrame:
    """The items of some records; one of several in its source has its field's name in its id."""
    several = [source.name for source in sources if len(source.contents()) > 1]
    item = keyed.select("source", "key", "record_id", "record_key", F.explode("items").alias("item"))
    field = F.concat_ws("#", "record_id", "item.field")
    item_id = F.when(F.col("source").isin(several), field).otherwise(F.col("record_id"))
    ids = {"item_id": item_id, "item_key": F.xxhash64(item_id)}
    return item.withColumns(ids).select("source", "key", "record_key", *ids, "item.*")


def _with_pairs(keyed: DataFrame, entities: DataFrame | None, truths: Sequence[Truth]) -> DataFrame:
    """The records with the entities that pairs give those of some sources."""
    if entities is None:
        return keyed
    complete = {name for truth in truths if truth.complete for name in truth.sources}
    of_pairs = F.col("source").isin(sorted({name for truth in truths for name in truth.sources}))
    alone = F.when(F.col("source").isin(sorted(complete)), F.col("record_id"))
    found = keyed.join(entities.withColumnRenamed("entity", "paired"), "record_id", "left")
    entity = F.when(of_pairs, F.coalesce("paired", alone)).otherwise(F.col("entity"))
    return found.withColumn("entity", entity).drop("paired")


def _split(sources: Sequence[Source], limits: Ingest) -> Column:
    """The source's own split, or one drawn by a hash of the entity: the same in every source."""
    drawn = F.pmod(F.xxhash64(F.lit("split"), F.col("entity")), F.lit(1_000_000)) / F.lit(1_000_000.0)
    train, validation, _ = limits.split
    split = F.when(drawn < train, SPLITS[0]).when(drawn < train + validation, SPLITS[1]).otherwise(SPLITS[2])
    by_entity = F.when(F.col("entity").isNotNull(), split)
    fixed = {source.name: F.lit(source.fixed_split) for source in sources if source.fixed_split}
    given = {source.name: F.col("split") for source in sources if source.split}
    for name, value in (fixed | given).items():
        by_entity = F.when(F.col("source") == name, value).otherwise(by_entity)
    return by_entity


def _rejects(told: DataFrame) -> DataFrame:
    key = F.coalesce("key", _where())
    refused = told.select(
        "source", key.alias("key"), _where().alias("where"), F.explode("refusals").alias("refusal")
    )
    said = refused.select("source", "key", "where", "refusal.*")
    detail = F.concat("where", F.lit(": "), "detail")
    return said.withColumn("detail", detail).select(*REJECTS.column_names)
