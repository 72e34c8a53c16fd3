"""Kind ``mat``: the rows of one matrix in a MATLAB file, as features computed elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from xmer_spark.config import Ingest, Source
from xmer_spark.errors import ConfigError
from xmer_spark.sources.delimited import find_layout, read_rows
from xmer_spark.sources.place import listing_path
from xmer_spark.sources.records import Refusal, batches, columns_used, raw_record, roles


class MatReader:
    """Row i of the matrix belongs to row i of the list file, or has the key i (from 1) without one."""

    def __init__(self, source: Source, path: Path) -> None:
        self.source = source
        self.path = path

    def parts(self) -> list[str]:
        rows = self._rows_in_matrix()
        if self.source.listing is not None:
            listed = len(list(self._listed()))
            if listed != rows:
                raise ConfigError(
                    f"source {self.source.name}: {self.source.variable} in {self.path} has {rows} rows, "
                    f"{self.source.listing} has {listed}"
                )
        return [self.path.name]

    def read(self, part: str, limits: Ingest) -> Iterator[pa.RecordBatch]:
        from scipy.io import loadmat

        matrix = loadmat(self.path, variable_names=[self.source.variable])[self.source.variable]
        return batches(self._rows(np.asarray(matrix, dtype=np.float32), part))

    def _rows(self, matrix: np.ndarray, part: str) -> Iterator[dict[str, Any]]:
        records = self._listed() if self.source.listing else ({"key": str(i + 1)} for i in range(len(matrix)))
        for number, (record, vector) in enumerate(zip(records, matrix, strict=True), 1):
            yield {"part": part, "row": number, "vector": vector, "record": record["key"]} | record

    def _listed(self) -> Iterator[dict[str, Any]]:
        path, columns = listing_path(self.source, self.path), roles(self.source)
        layout = find_layout(path, self.source, columns_used(self.source))
        for _, row in read_rows(path, layout):
            if isinstance(row, Refusal):
                yield {"key": None} | row.columns
            else:
                yield raw_record(self.source, row, columns)

    def _rows_in_matrix(self) -> int:
        from scipy.io import whosmat
        from scipy.io.matlab import MatReadError

        try:
            shapes = {name: shape for name, shape, _ in whosmat(self.path)}
        except NotImplementedError:
            raise ConfigError(f"{self.path} is a MATLAB 7.3 file; save it with -v7") from None
        except (ValueError, MatReadError) as error:
            raise ConfigError(f"{self.path} is not a MATLAB file: {error}") from None
        shape = shapes.get(self.source.variable)
        if shape is None or len(shape) != 2:
            known = ", ".join(f"{name} {shape}" for name, shape in sorted(shapes.items()))
            raise ConfigError(
                f"source {self.source.name}: {self.path} has no matrix {self.source.variable!r}; "
                f"it has {known}"
            )
        return int(shape[0])
