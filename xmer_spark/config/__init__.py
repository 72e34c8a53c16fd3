"""The one typed configuration of every job."""

from xmer_spark.config.benchmark import (
    Benchmark,
    BenchmarkCurve,
    BenchmarkData,
    BenchmarkFeatures,
    BenchmarkMethod,
    BenchmarkOnly,
    BenchmarkTables,
)
from xmer_spark.config.entities import Entities, ValueRule
from xmer_spark.config.load import Config, document_hash, load_config
from xmer_spark.config.sections import (
    Audit,
    BlockerUse,
    Blocking,
    Clustering,
    Evaluation,
    Extract,
    Hashing,
    Ingest,
    Report,
    Scoring,
    Space,
    Spark,
    Tracking,
    Training,
    Warehouse,
)
from xmer_spark.config.source import Field, Source
from xmer_spark.config.truth import Truth

__all__ = [
    "Audit",
    "Benchmark",
    "BenchmarkCurve",
    "BenchmarkData",
    "BenchmarkFeatures",
    "BenchmarkMethod",
    "BenchmarkOnly",
    "BenchmarkTables",
    "BlockerUse",
    "Blocking",
    "Clustering",
    "Config",
    "Entities",
    "Evaluation",
    "Extract",
    "Field",
    "Hashing",
    "Ingest",
    "Report",
    "Scoring",
    "Source",
    "Space",
    "Spark",
    "Tracking",
    "Training",
    "Truth",
    "ValueRule",
    "Warehouse",
    "document_hash",
    "load_config",
]
