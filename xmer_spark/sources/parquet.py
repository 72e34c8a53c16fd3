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
from xmer_spark.sources.columns import as_wanted, check_once, columns_used
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
                columns = self._spelt(schema)
                check_once(f"source {self.source.name}", self.path, columns, columns_used(self.source))
                types = {
                    **dict.fromkeys(partition(name), pa.string()),
                    **dict(zip(columns, schema.types, strict=True)),
                }
                check_types(self.source, self.path, types)
                found += [(name, group) for group in range(file.num_row_groups)]
        return found

    def read(self, part: tuple[str, int], limits: Ingest) -> Iterator[pa.RecordBatch]:
        name, group = part
        with self._opened(name) as file:
            row = sum(file.metadata.row_group(before).num_rows for before in range(group))
            stored = dict(zip(self._spelt(file.schema_arrow), file.schema_arrow.names, strict=True))
            here = {c: stored[c] for c in columns_used(self.source) if c in stored}
            for batch in file.iter_batches(ROWS_A_BATCH, row_groups=[group], columns=list(here.values())):
                columns = {column: batch.column(in_file) for column, in_file in here.items()}
                for column, value in partition(name).items():
                    columns.setdefault(column, pa.repeat(pa.scalar(value, pa.string()), len(batch)))
                yield raw_batch(self.source, columns, name, np.arange(row, row + len(batch)))
                row += len(batch)

    def _spelt(self, schema: pa.Schema) -> list[str]:
        return as_wanted(schema.names, columns_used(self.source))

    @contextmanager
    def _opened(self, name: str) -> Iterator[pq.ParquetFile]:
        """The file of a shard; a ConfigError where Arrow cannot read it, to its end."""
        path = folder_of(self.path) / name
        with readable(path) as file:
            try:
                with pq.ParquetFile(file) as opened:
                    yield opened
            except (pa.ArrowException, OSError) as error:
                if isinstance(error, MemoryError) or getattr(error, "errno", None) is not None:
                    raise
                raise ConfigError(
                    f"source {self.source.name}: {path} is not a Parquet file that can be read: {error}; "
                    f"write it again"
                ) from error


def partition(name: str) -> dict[str, str | None]:
    """The columns that a file's folders give, as strings.

    >>> partition("product=007/day=a%2Fb/part-0.parquet")
    {'product': '007', 'day': 'a/b'}
    """
    pairs = [folder.partition("=") for folder in Path(name).parts[:-1] if "=" in folder]
    return {unquote(key): None if value == _NO_VALUE else unquote(value) for key, _, value in pairs}
