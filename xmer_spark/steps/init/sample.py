"""The first rows of an input, whatever its kind: enough to guess from, and never more than fits."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from xmer_spark.config.source import Kind
from xmer_spark.errors import ConfigError
from xmer_spark.sources.delimited import SEPARATORS
from xmer_spark.sources.files import walk

ROWS = 10_000  # rows of a table, or files of a folder
_CONTENTS = 20  # rows of a column of bytes, which may be large
_FIELD_BYTES = 1 << 20
PICTURES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
TEXTS = (".txt",)
_TABLES: dict[str, Kind] = {
    ".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".json": "json", ".jsonl": "json", ".ndjson": "json",
}  # fmt: skip
_NUMBER = re.compile(r"[-+]?\d+([.,]\d+)*")


@dataclass(frozen=True)
class Sample:
    """What was seen of one input.

    ``columns`` holds an array (n) per column: of strings, lists or bytes, None where there is no value. Of a
    folder of files there are no columns, but the ``files`` relative to it. ``settings`` are keys of
    ``[[source]]`` that its reader needs, each with a reason; ``notes`` is what a person should know.
    """

    path: Path
    kind: Kind
    rows: int
    complete: bool
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    settings: dict[str, tuple[Any, str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """What files are named relative to."""
        return self.path if self.path.is_dir() else self.path.parent


def read_sample(path: Path) -> Sample:
    """The first rows of a table, or the names of a folder's files; a ConfigError where it is neither."""
    if not path.exists():
        raise ConfigError(f"{path}: there is no such file or folder")
    if path.is_dir():
        return _folder(path)
    kind = _TABLES.get(path.suffix.lower())
    if kind is None:
        raise ConfigError(
            f"{path}: of no kind that xmer init knows; it reads {', '.join(_TABLES)} and folders of pictures "
            "or of .txt files; give the file the ending of what it is"
        )
    return _READERS[kind](path, [path])


def _folder(path: Path) -> Sample:
    if (path / "_delta_log").is_dir():
        raise ConfigError(f'{path}: a Delta table; write its [[source]] by hand, with kind = "delta"')
    files = list(islice(walk(path), ROWS + 1))
    kinds = {
        kind: [name for name in files if Path(name).suffix.lower() in ends] for kind, ends in _ENDS.items()
    }
    # A table among pictures lists them: the reader of tables looks no deeper than its own folder.
    kinds["csv"] = [name for name in kinds["csv"] if "/" not in name]
    found = {kind: names for kind, names in kinds.items() if names}
    if len(found) != 1:
        what = (
            " and ".join(f"{kind} ({names[0]})" for kind, names in found.items()) or "nothing that it reads"
        )
        raise ConfigError(
            f"{path}: holds {what}; give xmer init one kind of input at a time, each by its path"
        )
    [(kind, names)] = found.items()
    notes = [f"{len(files) - len(names):,} other files lie there"] if len(names) < len(files) else []
    if kind in _READERS:
        return _READERS[kind](path, [path / name for name in names])
    complete = len(files) <= ROWS
    return Sample(path, kind, len(names), complete, files=tuple(names), notes=tuple(notes))


def _csv(path: Path, files: list[Path]) -> Sample:
    separator = _separator(files[0])
    rows, notes = list(islice(_csv_rows(files[0], separator), ROWS + 2)), list[str]()
    if not rows:
        raise ConfigError(f"{files[0]}: the file is empty")
    header, settings = rows[0], {"separator": (separator, f"{len(rows[0])} columns in the first row")}
    if any(_NUMBER.fullmatch(cell.strip()) for cell in header):
        header = [f"column_{place}" for place in range(1, len(header) + 1)]
        settings["columns"] = (header, "the first row holds numbers, so it is no header: name the columns")
    else:
        rows = rows[1:]
    good = [row for row in rows[:ROWS] if len(row) == len(header)]
    if len(good) < len(rows[:ROWS]):
        notes.append(f"{len(rows[:ROWS]) - len(good):,} rows do not have {len(header)} parts: refused")
    values = np.array(good, dtype=object).reshape(len(good), len(header))
    columns = dict[str, np.ndarray]()
    for place, name in enumerate(header):
        if header.count(name) > 1:
            notes.append(f"column {name!r} stands {header.count(name)} times: rename it to have it used")
        elif name.strip():
            columns[name] = values[:, place]
    complete = len(rows) <= ROWS and len(files) == 1
    return Sample(path, "csv", len(good), complete, columns, (), settings, tuple(dict.fromkeys(notes)))


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
    # Without ``newline`` every line end is one, that of old spreadsheets (a bare CR) too.
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        try:
            yield from (row for row in csv.reader(file, delimiter=separator) if row)
        except csv.Error:
            return


def _json(path: Path, files: list[Path]) -> Sample:
    rows, bad = list[dict[str, Any]](), 0
    with files[0].open(encoding="utf-8-sig", errors="replace") as file:
        lines = list(islice((line for line in file if line.strip()), ROWS + 1))
    for line in lines[:ROWS]:
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
    notes = (f"{bad:,} lines are no JSON object: refused",) if bad else ()
    return Sample(path, "json", len(rows), len(lines) <= ROWS and len(files) == 1, columns, notes=notes)


def _plain(value: Any) -> Any:
    """A JSON value as a string; lists stay, and a nested object is None: no field can name its parts."""
    if value is None or isinstance(value, (str, list)):
        return value
    return None if isinstance(value, dict) else json.dumps(value)


def _parquet(path: Path, files: list[Path]) -> Sample:
    parts = [piece.partition("=")[0] for piece in files[0].relative_to(path).parts[:-1] if "=" in piece]
    # As strings, or the product 007 would be 7.
    partitioning = ds.partitioning(pa.schema([(part, pa.string()) for part in parts]), flavor="hive")
    try:
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


_READERS = {"csv": _csv, "json": _json, "parquet": _parquet}
_ENDS: dict[Kind, tuple[str, ...]] = {
    "images": PICTURES,
    "texts": TEXTS,
    "csv": (".csv",),
    "json": (".json", ".jsonl", ".ndjson"),
    "parquet": (".parquet",),
}
