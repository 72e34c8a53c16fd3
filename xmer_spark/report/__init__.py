"""The report: one HTML page that needs no network, from plain data that the job fills in."""

from xmer_spark.report.render import render

__all__ = ["render"]
