"""Kind ``csv``: one file, or a folder of ``*.csv`` files, with a header or configured columns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from xmer_spark.config import Ingest, Source
from xmer_spark.errors import ConfigError
from xmer_spark.sources.delimited import find_layout, read_rows
from xmer_spark.sources.records import Refusal, batches, columns_used, raw_record, roles


class CsvReader:
    """Reads a file a task. Image items name their files, relative to the folder of the csv file."""

    def __init__(self, source: Source, path: Path) -> None:
        self.source = source
        self.path = path
        self.folder = path if path.is_dir() else path.parent

    def parts(self) -> list[str]:
        files = sorted(self.path.glob("*.csv")) if self.path.is_dir() else [self.path]
        if not files:
            raise ConfigError(f"source {self.source.name}: no *.csv file in {self.path}")
        for file in files:
            find_layout(file, self.source, columns_used(self.source))
        return [file.name for file in files]

    def read(self, part: str, limits: Ingest) -> Iterator[pa.RecordBatch]:
        return batches(self._rows(part, limits))

    def _rows(self, part: str, limits: Ingest) -> Iterator[dict[str, Any]]:
        path, columns = self.folder / part, roles(self.source)
        layout = find_layout(path, self.source, columns_used(self.source))
        for line, row in read_rows(path, layout, limits.max_file_bytes):
            where = {"part": part, "row": line}
            if isinstance(row, Refusal):
                yield where | row.columns
            else:
                yield where | raw_record(self.source, row, columns) | self._content(row)

    def _content(self, row: dict[str, str]) -> dict[str, Any]:
        if self.source.content is None:
            return {}
        content = row[self.source.content]
        return {"uri": content} if self.source.modality == "image" else {"content": content.encode()}
