"""Extraction on Spark: items -> features, only where content or extractor is new.

What travels to the workers is the files of the saved extractors, not loaded models. Items are brought
together by their content, so that equal contents meet in one partition.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark import TaskContext
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from xmer_spark.errors import SetupError, XmerError
from xmer_spark.features.base import Extractor
from xmer_spark.features.worker import LACKING, Worker, log_like_the_driver
from xmer_spark.method import saved_files
from xmer_spark.schema import FEATURES

if TYPE_CHECKING:
    from xmer_spark.config import Extract

log = logging.getLogger(__name__)

#: The features table's columns, and why there is no vector where there is none.
RESULT = ", ".join(f"{c.name} {c.type}" for c in FEATURES.columns) + ", error string"


def fit_extractor(items: DataFrame, extractor: Extractor, sample: int, seed: int) -> tuple[Extractor, int]:
    """The extractor, fitted on at most ``sample`` training items, and how many were left out.

    ``items`` have the split and the label of their records. Where none is of split train, an extractor that
    needs no labels is fitted on all items. Which are taken follows from their ids and the seed alone. An
    extractor without state is given back as it is; an XmerError where there is nothing to fit on.
    """
    if not extractor.learns:
        return extractor, 0
    content = F.col(extractor.content)
    known = items.where((F.col("modality") == extractor.modality) & content.isNotNull())
    training = known.where("split = 'train'")
    available = training.count()
    if not available and not extractor.supervised:
        training = known  # nothing is learnt from any truth, so nothing is held out
        available = training.count()
    if not available:
        raise XmerError(
            f"features.{extractor.name}: there is no {extractor.modality} item of split train to fit it on"
        )
    sample = extractor.training_items(sample)
    columns = {"batch": content} | ({"labels": F.col("label")} if extractor.supervised else {})
    order = F.xxhash64("item_id", F.lit(seed))
    chosen = training.select("item_id", *(column.alias(name) for name, column in columns.items()))
    table = chosen.orderBy(order, "item_id").limit(sample).toArrow()
    extractor.fit(**{name: table.column(name).to_pylist() for name in columns})
    left_out = max(0, available - sample)
    log.info("fitted %s on %d items, %d left out", extractor.identity(), available - left_out, left_out)
    return extractor, left_out


def missing(items: DataFrame, features: DataFrame, extractors: Sequence[Extractor]) -> DataFrame:
    """The items that lack a feature of their present content, with the identities in ``lacking``.

    ``extract_features`` then extracts these and no others.
    """
    if not extractors:
        return items.withColumn(LACKING, F.lit("")).limit(0)
    identities = {e.identity(): e.modality for e in extractors}
    wanted = F.array_compact(
        F.array(*(F.when(F.col("modality") == m, F.lit(i)) for i, m in sorted(identities.items())))
    )
    present = (
        features.where(F.col("extractor").isin(*identities))
        .groupBy("item_key", "content_hash")
        .agg(F.collect_set("extractor").alias("present"))
    )
    absent = F.array_except(wanted, F.coalesce("present", F.array().cast("array<string>")))
    # First by keys alone, so that contents which are not needed are neither read nor shuffled.
    lacking = (
        items.select("item_key", "content_hash", "modality")
        .join(present, ["item_key", "content_hash"], "left")
        .withColumn(LACKING, F.array_join(absent, ","))
        .where(F.col(LACKING) != "")
        .select("item_key", LACKING)
    )
    return items.join(lacking, "item_key")


def outdated(items: DataFrame, features: DataFrame) -> DataFrame:
    """The features whose item is gone or has other content now."""
    return features.join(items, ["item_key", "content_hash"], "left_anti")


def failures(extracted: DataFrame, items: DataFrame) -> DataFrame:
    """The rows of ``extract_features`` that have an error, as rows of the table rejects."""
    failed = extracted.where("error IS NOT NULL").join(items.select("item_key", "field"), "item_key")
    key = F.expr("substring(item_id, instr(item_id, '/') + 1)")
    return failed.select(
        F.substring_index("item_id", "/", 1).alias("source"),
        # An item that is not its record's only one is called by its field, too.
        F.when(
            F.endswith("item_id", F.concat(F.lit("#"), "field")),
            F.expr(
                "left(substring(item_id, instr(item_id, '/') + 1), "
                "length(item_id) - instr(item_id, '/') - length(field) - 1)"
            ),
        )
        .otherwise(key)
        .alias("key"),
        "field",
        F.lit("extraction_failed").alias("reason"),
        F.concat("extractor", F.lit(": "), "error").alias("detail"),
        F.lit(None).cast("bigint").alias("bytes_seen"),
    )


def extract_features(items: DataFrame, extractors: Sequence[Extractor], settings: Extract) -> DataFrame:
    """Items -> one row per item and extractor of its modality: FEATURES' columns and ``error``.

    An item that an extractor cannot read has no vector and an error that says why. Where items have the
    column ``lacking``, only the extractors named there are run. The result is computed each time it is
    used: persist or write it before splitting it into features and errors.
    """
    parts = []
    for modality in sorted({e.modality for e in extractors}):
        chosen = [e for e in extractors if e.modality == modality]
        parts.append(_extract_modality(items.where(F.col("modality") == modality), chosen, settings))
    if not parts:
        return items.sparkSession.createDataFrame([], RESULT)
    result = parts[0]
    for part in parts[1:]:
        result = result.unionByName(part)
    return result


def _extract_modality(items: DataFrame, extractors: Sequence[Extractor], settings: Extract) -> DataFrame:
    columns = ["item_id", "item_key", "content_hash", "modality", *sorted({e.content for e in extractors})]
    if LACKING in items.columns:
        columns.append(LACKING)
    shared = items.sparkSession.sparkContext.broadcast({e.identity(): saved_files(e) for e in extractors})
    level = log.getEffectiveLevel()

    def extract(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        log_like_the_driver(level)
        device = choose_device(settings.device)
        worker = Worker(shared.value, device, settings.batch_size, settings.decode_threads)
        context = TaskContext.get()
        yield from worker.run(batches, str(context.partitionId()) if context else "-")

    parts = _partitions(items.sparkSession)
    return items.select(*columns).repartition(parts, "content_hash").mapInArrow(extract, RESULT)


def _partitions(spark: SparkSession) -> int:
    """At least one partition per core; a number, lest Spark join small partitions and leave cores idle."""
    shuffle = spark.conf.get("spark.sql.shuffle.partitions") or "1"
    return max(int(shuffle), spark.sparkContext.defaultParallelism)


def choose_device(wanted: str) -> str:
    """``cpu`` or ``cuda:<n>``: the GPU that Spark gave this task; ``cuda`` insists on having one."""
    context = TaskContext.get()
    given = context.resources().get("gpu") if context else None
    if wanted == "cpu" or (wanted == "auto" and given is None):
        return "cpu"
    import torch

    if not torch.cuda.is_available():
        raise SetupError(
            "extract.device: no CUDA device can be used here; set it to cpu, or check the driver"
        )
    return f"cuda:{given.addresses[0] if given else 0}"
