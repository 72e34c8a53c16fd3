"""The page of the benchmark: which method to choose for which data."""

from xmer_spark.report.benchmark.page import render

__all__ = ["render"]
