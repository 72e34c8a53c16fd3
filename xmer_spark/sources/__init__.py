"""Raw input -> items, and rejects that say why.

A reader turns its kind of input into raw records (``records.RAW``) on the executors; ``check`` loads and
examines their content; ``stage`` makes them the rows of the tables items and rejects. Parquet has no reader
here: Spark's own is used.
"""

from __future__ import annotations

from xmer_spark.method import Registry

REGISTRY = Registry(
    "sources",
    {
        "csv": "xmer_spark.sources.csv:CsvReader",
        "images": "xmer_spark.sources.folder:FolderReader",
        "texts": "xmer_spark.sources.folder:FolderReader",
        "mat": "xmer_spark.sources.mat:MatReader",
    },
)
