"""The one typed configuration of every job."""

from xmer_spark.config.benchmark import (
    Benchmark,
    BenchmarkCurve,
    BenchmarkData,
    BenchmarkFeatures,
    BenchmarkMethod,
    BenchmarkOnly,
)
from xmer_spark.config.load import Config, document_hash, load_config
from xmer_spark.config.sections import (
    Blocking,
    Clustering,
    Evaluation,
    Extract,
    Hashing,
    Ingest,
    Report,
    Scoring,
    Source,
    Space,
    Spark,
    Tracking,
    Training,
    Warehouse,
)

__all__ = [
    "Benchmark",
    "BenchmarkCurve",
    "BenchmarkData",
    "BenchmarkFeatures",
    "BenchmarkMethod",
    "BenchmarkOnly",
    "Blocking",
    "Clustering",
    "Config",
    "Evaluation",
    "Extract",
    "Hashing",
    "Ingest",
    "Report",
    "Scoring",
    "Source",
    "Space",
    "Spark",
    "Tracking",
    "Training",
    "Warehouse",
    "document_hash",
    "load_config",
]
