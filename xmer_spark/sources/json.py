"""Kind ``json``: one file, or a folder of them, each of a JSON document a line or of one array."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from xmer_spark.config import Ingest, Source
from xmer_spark.errors import ConfigError
from xmer_spark.files import Place
from xmer_spark.sources.columns import column_types
from xmer_spark.sources.place import folder_of
from xmer_spark.sources.records import Refusal, blocks, bytes_of, raw_batch, refused_batch
from xmer_spark.sources.shards import shards


class JsonReader:
    """Reads a file a task; a broken line costs no other. Numbers stay as they are written."""

    def __init__(self, source: Source, path: Place) -> None:
        self.source = source
        self.path = path

    def parts(self) -> list[str]:
        return shards(self.source, self.path, (".json", ".jsonl", ".ndjson"))

    def read(self, part: str, limits: Ingest) -> Iterator[pa.RecordBatch]:
        for block in blocks(self._documents(folder_of(self.path) / part)):
            good = [(row, document) for row, document in block if isinstance(document, dict)]
            refused = [{"part": part, "row": n} | r.columns for n, r in block if isinstance(r, Refusal)]
            if refused:
                yield refused_batch(self.source, refused)
            if good:
                rows, documents = zip(*good, strict=True)
                yield raw_batch(self.source, self._columns(documents), part, rows)

    def _columns(self, documents: tuple[dict[str, Any], ...]) -> dict[str, pa.Array]:
        return {
            name: bytes_of([_text(document.get(name)) for document in documents])
            if type_ == pa.binary()
            else pa.array([_numbers(document.get(name)) for document in documents], type_)
            for name, type_ in column_types(self.source).items()
        }

    def _documents(self, path: Place) -> Iterator[tuple[int, dict[str, Any] | Refusal]]:
        """The documents with their lines, or their places in the array, from 1."""
        with path.open("rb") as file:
            if file.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
                file.seek(0)
                yield from enumerate(map(_record, self._array(file.read(), path)), 1)
                return
            file.seek(0)
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, _record(_parsed(line))

    def _array(self, content: bytes, path: Place) -> list[Any]:
        found = _parsed(content)
        if isinstance(found, Refusal):
            raise ConfigError(f"source {self.source.name}: {path}: {found.detail}")
        return list(found)


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content.decode("utf-8-sig"), parse_float=str, parse_int=str)
    except UnicodeDecodeError as error:
        return Refusal("not_utf8", f"byte {error.start} is not UTF-8", len(content))
    except ValueError as error:
        return Refusal("malformed_row", f"not valid JSON: {error}", len(content))


def _record(document: Any) -> dict[str, Any] | Refusal:
    if isinstance(document, (dict, Refusal)):
        return document
    return Refusal("malformed_row", f"not an object in braces but {type(document).__name__}")


def _text(value: Any) -> str | None:
    """A value as it stands in the file; lists and objects in JSON.

    >>> _text("a"), _text(True), _text(["b"])
    ('a', 'true', '["b"]')
    """
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _numbers(value: Any) -> np.ndarray | None:
    """A list of numbers; an empty one, which is refused, in place of what is none."""
    if value is None:
        return None
    try:
        return (
            np.asarray(value, np.float32).reshape(-1) if isinstance(value, list) else np.empty(0, np.float32)
        )
    except ValueError:
        return np.empty(0, np.float32)
