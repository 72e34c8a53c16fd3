"""Ingest on Spark: sources -> rows of the tables items and rejects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from pathlib import Path

import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from xmer_spark.config import Ingest, Source
from xmer_spark.errors import ConfigError
from xmer_spark.schema import ITEMS, REJECTS, SPLITS
from xmer_spark.sources import REGISTRY
from xmer_spark.sources.check import Content, check
from xmer_spark.sources.place import fingerprint, locate
from xmer_spark.sources.records import CHECKED, RAW, Reader, columns_used, ddl, label_names, roles

__all__ = ["fingerprint", "read_sources", "separate_collisions"]

_IDENTITY = ("content_hash", "record", "label", "entity", "split")


def read_sources(
    spark: SparkSession, sources: Sequence[Source], limits: Ingest, root: Path
) -> tuple[DataFrame, DataFrame]:
    """The items and the rejects of some sources; relative paths are relative to ``root``.

    Nothing is read yet, but both rest on one set of checked records, which is kept on the executors' disks
    once it was computed, so that each file is read and decoded once. ``spark.catalog.clearCache()`` frees it.

    A key that a source gives twice with the same content, label, entity, split and record is one item. Where
    these differ nothing says which is right: the first usable one, by file and row, is kept, and the others
    are rejected as ``duplicate_key``.
    """
    read = [_read_source(spark, source, limits, root) for source in sources]
    checked = reduce(DataFrame.unionByName, (rows for rows, _ in read)).persist(StorageLevel.DISK_ONLY)
    if any(content == "vector" for _, content in read):
        checked = _refuse_odd_lengths(checked)
    told = _tell_repeats_apart(checked)
    return _items(told), _rejects(told)


def _read_source(
    spark: SparkSession, source: Source, limits: Ingest, root: Path
) -> tuple[DataFrame, Content]:
    """The checked records of one source, with what all its records have in common."""
    path = locate(source, root)
    if source.kind == "parquet":
        raw, content = _parquet(spark, source, path)
    else:
        raw, content = _read(spark, source, limits, path)
    checked = _checked(raw, source, content, limits, path)
    shared = {
        "source": F.lit(source.name),
        "modality": F.lit(source.modality),
        "record": F.concat(F.lit(f"{source.records or source.name}/"), "record"),
        "split": _split(source, limits),
    }
    return checked.withColumns(shared), content


def separate_collisions(items: DataFrame) -> tuple[DataFrame, DataFrame]:
    """The items whose ``item_key`` is theirs alone, and rejects for the others.

    Of several item ids with one key the least keeps it.
    """
    ids = F.min("item_id").alias("keeper"), F.count_distinct("item_id").alias("ids")
    keepers = items.groupBy("item_key").agg(*ids).where("ids > 1").select("item_key", "keeper")
    found = items.join(F.broadcast(keepers), "item_key", "left")
    collided = F.col("keeper").isNotNull() & (F.col("keeper") != F.col("item_id"))
    detail = F.concat(F.lit("has the same 64-bit key as "), "keeper", F.lit("; give it another key"))
    rejects = found.where(collided).select(
        "source",
        F.expr("substring(item_id, length(source) + 2)").alias("key"),
        "modality",
        F.lit("key_collision").alias("reason"),
        detail.alias("detail"),
        F.lit(None).cast("bigint").alias("bytes_seen"),
    )
    return found.where(~collided).select(*ITEMS.column_names), rejects


def _read(spark: SparkSession, source: Source, limits: Ingest, path: Path) -> tuple[DataFrame, Content]:
    """Raw records from a reader, one task per part, then spread evenly: loading files is the work."""
    reader: Reader = REGISTRY.build(source.kind, {"source": source, "path": path})
    parts = reader.parts()

    def records(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column("id").to_pylist():
                yield from reader.read(parts[number], limits)

    raw = spark.range(0, len(parts), 1, len(parts)).mapInArrow(records, ddl(RAW))
    tasks = 2 * spark.sparkContext.defaultParallelism
    return raw.repartition(tasks, "part", "row"), "vector" if source.kind == "mat" else source.modality


def _parquet(spark: SparkSession, source: Source, path: Path) -> tuple[DataFrame, Content]:
    """Raw records from Parquet. Content may be bytes, strings, paths of images, or arrays of numbers."""
    table = spark.read.parquet(str(path))
    root = path if path.is_dir() else path.parent
    missing = [name for name in columns_used(source) if name not in table.columns]
    if missing:
        raise ConfigError(
            f"source {source.name}: {path} has no column {', '.join(missing)}; "
            f"it has {', '.join(table.columns)}"
        )
    strings = [
        c for c in columns_used(source) if table.schema[c].dataType == T.StringType() and c != source.content
    ]
    bad = [F.when(~F.is_valid_utf8(name), name) for name in strings]
    damaged = F.concat_ws(", ", *bad) if bad else F.lit("")
    values = {role: _string(table, column) for role, column in roles(source).items()}
    values.setdefault("record", values["key"])
    if "label" in values and source.label_numbers:
        values["label"] = F.coalesce(_mapping(label_names(source))[values["label"]], values["label"])
    values |= {
        "part": _below(root),
        "row": F.col("_metadata.row_index"),
        "attributes": _attributes(table, source),
        "reason": F.when(damaged != "", "not_utf8"),
        "detail": F.when(damaged != "", F.concat(F.lit("not UTF-8: column "), damaged)),
    }
    content, kind = _parquet_content(table, source)
    values |= content
    columns = (values.get(name, F.lit(None)).cast(type_).alias(name) for name, type_ in RAW.items())
    return table.select(*columns), kind


def _parquet_content(table: DataFrame, source: Source) -> tuple[dict[str, Column], Content]:
    if source.content is None:
        return {}, source.modality
    type_ = table.schema[source.content].dataType
    if isinstance(type_, T.ArrayType):
        return {"vector": F.col(source.content)}, "vector"
    if isinstance(type_, T.StringType) and source.modality == "image":
        return {"uri": F.coalesce(source.content, F.lit(""))}, "image"
    if isinstance(type_, (T.BinaryType, T.StringType)):
        return {"content": F.col(source.content).cast("binary")}, source.modality
    raise ConfigError(
        f"source {source.name}: content: {source.content} is {type_.simpleString()}, not bytes or text"
    )


def _attributes(table: DataFrame, source: Source) -> Column:
    """The attributes that have a value; NULL where none has."""
    if not source.attributes:
        return F.lit(None)
    pairs = F.create_map(
        *(part for name in source.attributes for part in (F.lit(name), _string(table, name)))
    )
    present = F.map_filter(pairs, lambda _, value: F.trim(F.coalesce(value, F.lit(""))) != "")
    return F.when(F.size(present) > 0, present)


def _string(table: DataFrame, column: str) -> Column:
    text = F.col(column).cast("string")
    text = F.make_valid_utf8(text) if table.schema[column].dataType == T.StringType() else text
    return F.nullif(text, F.lit(""))


def _mapping(values: dict[str, str]) -> Column:
    return F.create_map(*(F.lit(part) for item in values.items() for part in item))


def _below(root: Path) -> Column:
    """A Parquet file's path below ``root``."""
    return F.element_at(F.split("_metadata.file_path", rf"\Q/{root.resolve().name}/\E", 2), -1)


def _where() -> Column:
    """Where a record stands, for a person: its file, and its line or row there."""
    return F.concat_ws(":", "part", "row")


def _refuse_odd_lengths(checked: DataFrame) -> DataFrame:
    """Refuse vectors not as long as most of their source; of equally frequent lengths the least counts."""
    size = F.size("vector")
    usable = checked.where("reason IS NULL")
    counted = usable.groupBy("source", size.alias("size")).agg(F.count("*").alias("n"))
    usual = counted.groupBy("source").agg(F.min_by("size", F.struct(-F.col("n"), "size")).alias("usual"))
    odd = F.col("reason").isNull() & (size != F.col("usual"))
    detail = F.concat(size.cast("string"), F.lit(" values, where most have "), F.col("usual").cast("string"))
    return checked.join(F.broadcast(usual), "source", "left").withColumns(
        {
            "reason": F.when(odd, "bad_vector").otherwise(F.col("reason")),
            "detail": F.when(odd, detail).otherwise(F.col("detail")),
        }
    )


def _checked(raw: DataFrame, source: Source, content: Content, limits: Ingest, path: Path) -> DataFrame:
    root = path if path.is_dir() else path.parent

    def examine(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return check(batches, source, content, limits, root)

    return raw.mapInArrow(examine, ddl(CHECKED))


def _tell_repeats_apart(checked: DataFrame) -> DataFrame:
    """Keep the first of identical records, and refuse the later ones that differ from it.

    Only keys and hashes are shuffled to find the later ones, which are few; content stays where it is.
    """
    same_key = Window.partitionBy("source", "key").orderBy("part", "row")
    first = F.first(F.struct(*_IDENTITY, _where().alias("where"))).over(same_key)
    nth = F.row_number().over(same_key)
    later = (
        checked.where("reason IS NULL")
        .select("source", "part", "row", *_IDENTITY, first.alias("first"), nth.alias("nth"))
        .where("nth > 1")
    )
    differing = [
        F.when(~F.col(f"first.{c}").eqNullSafe(F.col(c)), c.removesuffix("_hash")) for c in _IDENTITY
    ]
    repeats = later.select(
        F.col("source").alias("repeat_source"),
        F.col("part").alias("repeat_part"),
        F.col("row").alias("repeat_row"),
        F.col("first.where").alias("first_where"),
        F.concat_ws(", ", *differing).alias("differing"),
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
    return found.where(~identical).withColumns(
        {
            "reason": F.when(F.col("differing").isNotNull(), "duplicate_key").otherwise(F.col("reason")),
            "detail": F.coalesce(detail, "detail"),
        }
    )


def _items(checked: DataFrame) -> DataFrame:
    item_id = F.concat_ws("/", "source", "key")
    values = {"item_id": item_id, "item_key": F.xxhash64(item_id), "record_id": F.col("record")}
    columns = (values.get(c.name, F.col(c.name)).cast(c.type).alias(c.name) for c in ITEMS.columns)
    return checked.where("reason IS NULL").select(*columns)


def _split(source: Source, limits: Ingest) -> Column:
    """The source's own split, or one drawn by a hash of the entity: the same in every source."""
    if source.fixed_split:
        return F.lit(source.fixed_split)
    if source.split:
        return F.col("split")
    drawn = F.pmod(F.xxhash64(F.lit("split"), F.col("entity")), F.lit(1_000_000)) / F.lit(1_000_000.0)
    train, validation, _ = limits.split
    split = F.when(drawn < train, SPLITS[0]).when(drawn < train + validation, SPLITS[1]).otherwise(SPLITS[2])
    return F.when(F.col("entity").isNotNull(), split)


def _rejects(checked: DataFrame) -> DataFrame:
    values = {
        "key": F.when(F.trim(F.coalesce("key", F.lit(""))) == "", _where()).otherwise(F.col("key")),
        "detail": F.concat(_where(), F.lit(": "), "detail"),
    }
    columns = (values.get(c.name, F.col(c.name)).cast(c.type).alias(c.name) for c in REJECTS.columns)
    return checked.where("reason IS NOT NULL").select(*columns)
