"""Kind ``mat``: rows of matrices in a MATLAB file, as features computed elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from xmer_spark.config import Ingest, Source
from xmer_spark.errors import ConfigError
from xmer_spark.files import Place, readable
from xmer_spark.numerics.arrow import lists
from xmer_spark.sources.columns import columns_used, roles
from xmer_spark.sources.delimited import Layout, read_rows, source_layout
from xmer_spark.sources.place import listing_path
from xmer_spark.sources.records import Refusal, bytes_of, raw_batch, refused_batch


class MatReader:
    """Row i of each matrix belongs to row i of the list file, or has the key i (from 1) without one."""

    def __init__(self, source: Source, path: Place) -> None:
        self.source = source
        self.path = path
        self.variables = [str(field.variable) for field in source.fields.values()]

    def parts(self) -> list[str]:
        rows = {name: self._rows_in_matrix(name) for name in self.variables}
        if self.source.listing is not None:
            rows[self.source.listing] = len(self._listed())
        first, *others = rows.items()
        for name, count in others:
            if count != first[1]:
                raise ConfigError(
                    f"source {self.source.name}: {first[0]} in {self.path} has {first[1]} rows, "
                    f"{name} has {count}"
                )
        return [self.path.name]

    def read(self, part: str, limits: Ingest) -> Iterator[pa.RecordBatch]:
        from scipy.io import loadmat

        found = self._asked(partial(loadmat, variable_names=self.variables))
        matrices = {name: self._numbers(name, found[name]) for name in self.variables}
        count = len(matrices[self.variables[0]])
        listed: list[list[str] | Refusal] = self._listed() if self.source.listing else [[]] * count
        refused = [
            {"part": part, "row": row} | values.columns
            for row, values in enumerate(listed, 1)
            if isinstance(values, Refusal)
        ]
        if refused:
            yield refused_batch(self.source, refused)
        good = [row for row, values in enumerate(listed) if not isinstance(values, Refusal)]
        if good:
            columns = {name: lists(matrix[good]) for name, matrix in matrices.items()}
            yield raw_batch(self.source, columns | self._beside(listed, good), part, np.array(good) + 1)

    def _beside(self, listed: list[list[str] | Refusal], rows: list[int]) -> dict[str, pa.Array]:
        """The columns of the list in these rows; without a list the rows' numbers are the keys."""
        if self.source.listing is None:
            return {roles(self.source)["key"]: pa.array([str(row + 1) for row in rows])}
        values = zip(*(listed[row] for row in rows), strict=True)
        by_name = dict(zip(self._layout().columns, values, strict=False))
        return {name: bytes_of(by_name[name]) for name in columns_used(self.source) if name in by_name}

    def _layout(self) -> Layout:
        return source_layout(listing_path(self.source, self.path), self.source, beside=self.variables)

    def _listed(self) -> list[list[str] | Refusal]:
        return [values for _, values in read_rows(listing_path(self.source, self.path), self._layout())]

    def _rows_in_matrix(self, variable: str) -> int:
        from scipy.io import whosmat

        shapes = {name: shape for name, shape, _ in self._asked(whosmat)}
        shape = shapes.get(variable)
        if shape is None or len(shape) != 2:
            known = ", ".join(f"{name} {shape}" for name, shape in sorted(shapes.items()))
            raise ConfigError(
                f"source {self.source.name}: {self.path} has no matrix {variable!r}; it has {known}"
            )
        return int(shape[0])

    def _numbers(self, name: str, matrix: Any) -> np.ndarray:
        """A matrix, sparse or not, of real numbers."""
        if hasattr(matrix, "toarray"):
            matrix = matrix.toarray()
        if matrix.dtype.kind not in "fiub":
            raise ConfigError(f"source {self.source.name}: {name} in {self.path} does not hold real numbers")
        with np.errstate(over="ignore"):  # what float32 cannot hold is refused as infinite
            return np.asarray(matrix, np.float32)

    def _asked(self, question: Callable[[Any], Any]) -> Any:
        """What scipy finds in the file; a ConfigError where it is damaged, or no MATLAB file."""
        try:
            with readable(self.path) as file:
                return question(file)
        except NotImplementedError:
            raise ConfigError(f"{self.path} is a MATLAB 7.3 file; save it with -v7") from None
        except MemoryError:
            raise
        except Exception as error:  # on damaged bytes it may raise anything
            if getattr(error, "errno", None) is not None:
                raise
            raise ConfigError(f"{self.path} is not a MATLAB file that can be read: {error}") from error
