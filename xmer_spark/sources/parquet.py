"""Kind ``parquet``: one file, or a folder of ``*.parquet`` files, in folders such as ``day=07`` or not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from xmer_spark.config import Ingest, Source
from xmer_spark.errors import ConfigError
from xmer_spark.files import Place, readable
from xmer_spark.sources.columns import columns_used
from xmer_spark.sources.place import folder_of
from xmer_spark.sources.records import ROWS_A_BATCH, check_types, raw_batch
from xmer_spark.sources.shards import shards

_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


class ParquetReader:
    """Reads a row group a task, by Arrow: paths, names of columns and partitions stay what they are.

    Spark would take a path for a pattern, a name with a dot for a nested column and ``day=07`` for a number.
    """

    def __init__(self, source: Source, path: Place) -> None:
        self.source = source
        self.path = path

    def parts(self) -> list[tuple[str, int]]:
        if (self.path / "_delta_log").is_dir():
            raise ConfigError(f"source {self.source.name}: {self.path} is a Delta table; set kind to delta")
        found = []
        for name in shards(self.source, self.path, (".parquet", ".pq")):
            with self._opened(name) as file:
                schema = file.schema_arrow
                types = {
                    **dict.fromkeys(partition(name), pa.string()),
                    **dict(zip(schema.names, schema.types, strict=False)),
                }
                check_types(self.source, self.path, types)
                found += [(name, group) for group in range(file.num_row_groups)]
        return found

    def read(self, part: tuple[str, int], limits: Ingest) -> Iterator[pa.RecordBatch]:
        name, group = part
        with self._opened(name) as file:
            row = sum(file.metadata.row_group(before).num_rows for before in range(group))
            here = [column for column in columns_used(self.source) if column in file.schema_arrow.names]
            for batch in file.iter_batches(ROWS_A_BATCH, row_groups=[group], columns=here):
                columns = {column: batch.column(column) for column in here}
                for column, value in partition(name).items():
                    columns.setdefault(column, pa.repeat(pa.scalar(value, pa.string()), len(batch)))
                yield raw_batch(self.source, columns, name, np.arange(row, row + len(batch)))
                row += len(batch)

    @contextmanager
    def _opened(self, name: str) -> Iterator[pq.ParquetFile]:
        path = folder_of(self.path) / name
        with readable(path) as file:
            try:
                opened = pq.ParquetFile(file)
            except pa.ArrowInvalid as error:
                raise ConfigError(
                    f"source {self.source.name}: {path} is not a Parquet file: {error}"
                ) from None
            with opened:
                yield opened


def partition(name: str) -> dict[str, str | None]:
    """The columns that a file's folders give, as strings.

    >>> partition("product=007/day=a%2Fb/part-0.parquet")
    {'product': '007', 'day': 'a/b'}
    """
    pairs = [folder.partition("=") for folder in Path(name).parts[:-1] if "=" in folder]
    return {unquote(key): None if value == _NO_VALUE else unquote(value) for key, _, value in pairs}
