"""The only builder of a SparkSession: Delta, Arrow, and defaults that suit one machine."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from xmer_spark.errors import SetupError
from xmer_spark.runtime import environment, logs

if TYPE_CHECKING:
    from pyspark import SparkConf
    from pyspark.sql import SparkSession

    from xmer_spark.config import Spark

_DELTA = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    # The default of 50 doubles the time of small runs.
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.databricks.delta.schema.autoMerge.enabled": "false",
}
_DEFAULTS = {
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "2048",
    # Large images: a batch is bounded by its size too.
    "spark.sql.execution.arrow.maxBytesPerBatch": "64m",
    # Recording where each column expression was written makes planning slow.
    "spark.python.sql.dataFrameDebugging.enabled": "false",
    # Rows are compared by hash before they are written again, and some hold maps.
    "spark.sql.legacy.allowHashOnMapType": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.ui.showConsoleProgress": "false",
    # A task is the unit that runs beside others. Spark itself limits OpenMP's threads in a Python worker.
    "spark.executorEnv.OPENBLAS_NUM_THREADS": "1",
    "spark.executorEnv.MKL_NUM_THREADS": "1",
}
#: For local masters only: a cluster's own settings are left alone.
_LOCAL = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    # Work comes in batches, and nobody waits for the garbage collector: throughput counts.
    "spark.driver.extraJavaOptions": "-XX:+UseParallelGC",
}


def build_session(settings: Spark, name: str) -> SparkSession:
    """The running session, or a new one; a SetupError says what the machine lacks.

    Under ``spark-submit`` the cluster manager's master and memory stand: what the command
    line has set is not overridden.
    """
    environment.check_java()
    if environment.delta_jar() is None and "spark.jars.packages" not in settings.conf:
        raise SetupError(
            f"Delta's jar is not beside Spark's; run `python -m xmer_spark.runtime.environment` once, or set "
            f"spark.jars.packages to {environment.DELTA} under [spark.conf]"
        )
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    if "PYSPARK_GATEWAY_PORT" in os.environ:
        # spark-submit's JVM waits with the command line's settings, which SparkConf sees once connected.
        SparkContext._ensure_initialized()
    submitted = SparkConf()
    wanted = {**_DELTA, **_DEFAULTS, "spark.sql.shuffle.partitions": str(settings.shuffle_partitions)}
    if settings.master and not submitted.contains("spark.master"):
        wanted["spark.master"] = settings.master
        wanted["spark.driver.memory"] = settings.driver_memory
    if (wanted.get("spark.master") or submitted.get("spark.master", "") or "").startswith("local"):
        wanted |= _LOCAL
    wanted = {k: v for k, v in wanted.items() if not submitted.contains(k)} | settings.conf
    conf = SparkConf().setAppName(f"xmer {name}").setAll(list(wanted.items()))
    if SparkContext._gateway is None:
        _start_jvm(conf)
    session = SparkSession.builder.config(conf=conf).getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def _start_jvm(conf: SparkConf) -> None:
    """Start Spark's JVM, whose own words, and those of the worker processes, are for the log."""
    from pyspark import SparkContext
    from pyspark.java_gateway import launch_gateway

    with logs.of_processes() as log:
        gateway = launch_gateway(conf, {"stdout": log, "stderr": log} if log else None)
    SparkContext._ensure_initialized(gateway=gateway)
