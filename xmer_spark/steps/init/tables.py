"""The first rows of tables: csv, JSON lines and Parquet."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from xmer_spark.errors import ConfigError
from xmer_spark.sources.delimited import SEPARATORS
from xmer_spark.sources.lines import lines
from xmer_spark.steps.init.sample import ROWS, Sample

T = TypeVar("T")

_CONTENTS = 20  # rows of a column of bytes, which may be large
_CHARACTERS = 1 << 26  # of all rows, about
_FIELD_BYTES = 1 << 20
_FILES = 50  # of a folder, whose columns are compared
_NUMBER = re.compile(r"[-+]?\d+([.,]\d+)*")


def read_csv(path: Path, files: list[Path]) -> Sample:
    separator = _separator(files[0])
    (rows, complete), notes = _first_few(_csv_rows(files[0], separator), _length), list[str]()
    if not rows:
        raise ConfigError(f"{files[0]}: the file is empty")
    header = rows[0]
    settings: dict[str, tuple[Any, str]] = {
        "separator": (separator, f"{len(header)} columns in the first row")
    }
    if any(_NUMBER.fullmatch(cell.strip()) for cell in header):
        header = [f"column_{place}" for place in range(1, len(header) + 1)]
        settings["columns"] = (header, "the first row holds numbers, so it is no header: name the columns")
    else:
        rows = rows[1:]
        _check_alike(files, lambda file: next(_csv_rows(file, separator), []))
    good = [row for row in rows if len(row) == len(header)]
    if len(good) < len(rows):
        notes.append(f"{len(rows) - len(good):,} rows do not have {len(header)} parts: they are refused")
    values = np.array(good, dtype=object).reshape(len(good), len(header))
    columns = dict[str, np.ndarray]()
    for place, name in enumerate(header):
        if header.count(name) > 1:
            notes.append(f"column {name!r} stands {header.count(name)} times: rename it to have it used")
        elif name.strip():
            columns[name] = values[:, place]
    complete &= len(files) == 1
    return Sample(path, "csv", len(good), complete, columns, (), settings, tuple(dict.fromkeys(notes)))


def _length(row: list[str]) -> int:
    return sum(map(len, row))


def _first_few(rows: Iterable[T], length: Callable[[T], int]) -> tuple[list[T], bool]:
    """The first rows, as many as serve and fit, and whether these are all."""
    taken, characters = list[T](), 0
    for row in rows:
        if len(taken) > ROWS or characters > _CHARACTERS:
            return taken, False
        taken.append(row)
        characters += length(row)
    return taken, True


def _check_alike(files: list[Path], names: Callable[[Path], list[str]]) -> None:
    """Files of one folder are one source only if they have the same columns."""
    first = names(files[0])
    for file in files[1:_FILES]:
        if names(file) != first:
            raise ConfigError(
                f"{file.parent}: {files[0].name} and {file.name} have other columns: "
                "they are two sources, so name the files one by one"
            )


def _separator(path: Path) -> str:
    """The one that parts most rows as it parts the first; of equal ones that with more parts.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp(), "a.csv")
    >>> _ = file.write_text("id%who%year" + chr(13) + "1%A, B%1999")
    >>> _separator(file)
    '%'
    """
    seen = {}
    for separator in SEPARATORS:
        lengths = [len(row) for row in islice(_csv_rows(path, separator), 100)]
        alike = sum(length == lengths[0] for length in lengths) if lengths and lengths[0] > 1 else 0
        seen[separator] = (alike, lengths[0] if lengths else 0)
    best = max(seen, key=lambda separator: seen[separator])
    return best if seen[best][0] else ","


def _csv_rows(path: Path, separator: str) -> Iterator[list[str]]:
    """Rows as far as they can be read: what is broken the reader of sources refuses, row by row."""
    csv.field_size_limit(_FIELD_BYTES)
    # What cannot be decoded is shown as a question mark: only the reader of sources needs to know the bytes.
    readable = (line.encode(errors="replace").decode() for line in lines(path))
    try:
        yield from (row for row in csv.reader(readable, delimiter=separator) if row)
    except csv.Error:
        return


def read_json(path: Path, files: list[Path]) -> Sample:
    rows, bad = list[dict[str, Any]](), 0
    with files[0].open(encoding="utf-8-sig", errors="replace") as file:
        lines, complete = _first_few((line for line in file if line.strip()), len)
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if isinstance(row, dict):
            rows.append(row)
        else:
            bad += 1
    if not rows:
        raise ConfigError(f"{files[0]}: no line of it is a JSON object; write one object a line")
    columns = {
        name: _objects([_plain(row.get(name)) for row in rows])
        for name in dict.fromkeys(name for row in rows for name in row)
    }
    notes = (f"{bad:,} lines are no JSON object: they are refused",) if bad else ()
    return Sample(path, "json", len(rows), complete and len(files) == 1, columns, notes=notes)


def _plain(value: Any) -> Any:
    """A JSON value as a string; lists stay, and a nested object is None: no field can name its parts."""
    if value is None or isinstance(value, (str, list)):
        return value
    return None if isinstance(value, dict) else json.dumps(value)


def read_parquet(path: Path, files: list[Path]) -> Sample:
    parts = [piece.partition("=")[0] for piece in files[0].relative_to(path).parts[:-1] if "=" in piece]
    # As strings, or the product 007 would be 7.
    partitioning = ds.partitioning(pa.schema([(part, pa.string()) for part in parts]), flavor="hive")
    try:
        _check_alike(files, lambda file: pq.read_schema(file).names)
        data = ds.dataset([str(file) for file in files], format="parquet", partitioning=partitioning)
        heavy = [
            f.name for f in data.schema if pa.types.is_binary(f.type) or pa.types.is_large_binary(f.type)
        ]
        light = [name for name in data.schema.names if name not in heavy]
        rows = data.count_rows()
        table, few = _first(data, light, ROWS), _first(data, heavy, _CONTENTS)
    except (pa.ArrowInvalid, OSError) as error:
        raise ConfigError(f"{path}: cannot be read as Parquet: {error}") from None
    columns = {name: _strings(table[name]) for name in light}
    columns |= {name: _objects(few[name].to_pylist()) for name in heavy}
    ordered = {name: columns[name] for name in data.schema.names}
    return Sample(path, "parquet", min(rows, ROWS), rows <= ROWS, ordered)


def _first(data: ds.Dataset, columns: list[str], rows: int) -> pa.Table:
    return data.scanner(columns=columns, batch_size=rows, batch_readahead=1, fragment_readahead=1).head(rows)


def _strings(column: pa.ChunkedArray) -> np.ndarray:
    kind = column.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _objects(column.to_pylist())
    if pa.types.is_nested(kind) or pa.types.is_null(kind):
        return np.full(len(column), None, dtype=object)
    values: np.ndarray = pc.cast(column, pa.string()).to_numpy(zero_copy_only=False)
    return values


def _objects(values: list[Any]) -> np.ndarray:
    """An array (n) of any objects: lists in it stay lists."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
