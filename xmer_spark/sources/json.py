"""Kind ``json``: files of a document a line, of documents of several lines each, or of an array."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from xmer_spark.config import Ingest, Source
from xmer_spark.errors import ConfigError, listed
from xmer_spark.files import Place
from xmer_spark.sources.columns import as_wanted, column_types, columns_used, roles
from xmer_spark.sources.lines import lines
from xmer_spark.sources.place import folder_of
from xmer_spark.sources.records import ROWS_A_BATCH, Refusal, blocks, bytes_of, raw_batch, refused_batch
from xmer_spark.sources.shards import shards

log = logging.getLogger(__name__)

#: What may stand between two documents: white space, commas, and the signs that some streams of JSON have.
_BETWEEN = " \t\r\n,\x1e\ufeff"
_GAP = re.compile(f"[{_BETWEEN}]*")


class JsonReader:
    """Reads a file a task; a broken line costs no other. Numbers stay as they are written."""

    def __init__(self, source: Source, path: Place) -> None:
        self.source = source
        self.path = path

    def parts(self) -> list[str]:
        files = shards(self.source, self.path, (".json", ".jsonl", ".ndjson"))
        self._check_columns(files)
        return files

    def _check_columns(self, files: list[str]) -> None:
        """A warning names columns that no document has among the first; without keys there are no records."""
        absent, seen = set(columns_used(self.source)), dict[str, None]()
        for file in files:
            documents = self._documents(folder_of(self.path) / file)
            for _, document in islice(documents, ROWS_A_BATCH):
                if isinstance(document, dict):
                    absent -= document.keys()
                    seen |= dict.fromkeys(document)
                if not absent:
                    return
        known = (
            f"{', '.join(sorted(absent))} in the first documents of {self.path}; these have {listed(seen)}"
        )
        if seen and roles(self.source)["key"] in absent:
            raise ConfigError(f"source {self.source.name}: there is no {known}")
        if seen:
            log.warning("source %s: there is no %s", self.source.name, known)

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
        """The documents with their lines or, where one takes several, their places in the file, from 1."""
        filled = (line.strip(_BETWEEN) for line in lines(path))
        first = next((line for line in filled if line), "")
        if not isinstance(_parsed(first), dict):
            found = _sequence("".join(lines(path)))
            if not isinstance(found, Refusal):
                yield from enumerate(map(self._record, found), 1)
                return
            if first.startswith("["):  # what comes after the fault cannot be told apart
                raise ConfigError(f"source {self.source.name}: {path}: {found.detail}")
        for number, line in enumerate(lines(path), 1):
            if line.strip(_BETWEEN):
                yield number, self._record(_parsed(line.strip(_BETWEEN)))

    def _record(self, document: Any) -> dict[str, Any] | Refusal:
        if isinstance(document, Refusal):
            return document
        if not isinstance(document, dict):
            return Refusal("malformed_row", f"not an object in braces but {type(document).__name__}")
        used = columns_used(self.source)
        names = as_wanted(list(document), used)
        twice = {name for name in used if names.count(name) > 1} | {*used} & {*getattr(document, "twice", ())}
        if twice:
            return Refusal("malformed_row", f"{', '.join(sorted(twice))} is there more than once")
        return dict(zip(names, document.values(), strict=True))


class _Repeating(dict[str, Any]):
    """An object of JSON in which names stand ``twice``."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        counts = Counter(name for name, _ in pairs)
        self.twice = [name for name, count in counts.items() if count > 1]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _Repeating(pairs)


#: Numbers stay as they are written. Strings may hold tabs as they are, which is not JSON but common.
_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, strict=False, object_pairs_hook=_object)


def _sequence(content: str) -> list[Any] | Refusal:
    """Documents one after the other; of an array its elements."""
    found, at = list[Any](), _past_gap(content, 0)
    try:
        while at < len(content):
            document, end = _DECODER.raw_decode(content, at)
            found += document if isinstance(document, list) else [document]
            at = _past_gap(content, end)
    except (ValueError, RecursionError) as error:
        return _broken(error, content)
    return found


def _past_gap(content: str, at: int) -> int:
    gap = _GAP.match(content, at)
    return gap.end() if gap else at


def _parsed(line: str) -> Any:
    try:
        return _DECODER.decode(line)
    except (ValueError, RecursionError) as error:
        return _broken(error, line)


def _broken(error: Exception, content: str) -> Refusal:
    return Refusal("malformed_row", f"not valid JSON: {error}", len(content))


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
        found = np.array(value if isinstance(value, list) else [], np.float64)
    except (TypeError, ValueError):
        return np.empty(0)
    return found if found.ndim == 1 else np.empty(0)
