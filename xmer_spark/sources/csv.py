"""Kind ``csv``: one file, or a folder of ``*.csv`` files, with a header or configured columns."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from xmer_spark.config import Ingest, Source
from xmer_spark.files import Place
from xmer_spark.sources.delimited import is_empty, read_batches, source_layout
from xmer_spark.sources.place import folder_of
from xmer_spark.sources.shards import shards, tell_left_out


class CsvReader:
    """Reads a file a task, row by row: only so does a broken row cost no good one."""

    def __init__(self, source: Source, path: Place) -> None:
        self.source = source
        self.path = path

    def parts(self) -> list[str]:
        folder, files = folder_of(self.path), shards(self.source, self.path, (".csv", ".tsv"))
        empty = [file for file in files if len(files) > 1 and is_empty(folder / file)]
        tell_left_out(self.source, self.path, empty)
        files = [file for file in files if file not in empty]
        for file in files:
            source_layout(folder / file, self.source)
        return files

    def read(self, part: str, limits: Ingest) -> Iterator[pa.RecordBatch]:
        path = folder_of(self.path) / part
        return read_batches(path, part, source_layout(path, self.source), self.source, limits)
