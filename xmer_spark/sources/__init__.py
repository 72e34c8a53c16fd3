"""Raw input -> records, items, and rejects that say why.

A reader turns its kind of input into columns as they stand (``records``) on the executors; ``check`` makes
out what they mean, loads contents and examines them; ``stage`` makes the tables records, items and rejects of
it. Delta tables have no reader here: Spark's own is used.
"""

from __future__ import annotations

from xmer_spark.method import Registry

REGISTRY = Registry(
    "sources",
    {
        "csv": "xmer_spark.sources.csv:CsvReader",
        "images": "xmer_spark.sources.folder:FolderReader",
        "json": "xmer_spark.sources.json:JsonReader",
        "mat": "xmer_spark.sources.mat:MatReader",
        "parquet": "xmer_spark.sources.parquet:ParquetReader",
        "texts": "xmer_spark.sources.folder:FolderReader",
    },
)
