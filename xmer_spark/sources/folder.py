"""Kinds ``images`` and ``texts``: a folder of files, with a list file or without."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Formatter
from typing import Any

import pyarrow as pa

from xmer_spark.config import Ingest, Source
from xmer_spark.errors import ConfigError
from xmer_spark.sources.delimited import find_layout, read_rows
from xmer_spark.sources.files import walk
from xmer_spark.sources.place import listing_path
from xmer_spark.sources.records import ROLES, Refusal, batches, columns_used, raw_record, roles


class FolderReader:
    """Lists the files of a folder; their content is loaded later, where it is examined.

    With a list file, ``pattern`` gives the file of a row: ``{label}/{key}.jpg``. Its fields are the list's
    columns, ``key`` and ``label`` (by its name); ``{}`` is the column ``content``, or else the key.
    Without one, every file is an input, and ``pattern`` is read the other way round: it takes key, label and
    further columns from the file's path. The plain ``{}`` makes the whole path the key.
    """

    def __init__(self, source: Source, path: Path) -> None:
        self.source = source
        self.path = path

    def parts(self) -> list[str]:
        if not self.path.is_dir():
            raise ConfigError(f"source {self.source.name}: {self.path} is not a folder")
        if self.source.listing is None:
            self._path_expression()
            return ["."]
        listing = listing_path(self.source, self.path)
        columns = find_layout(listing, self.source, columns_used(self.source)).columns
        self._check_pattern({*columns, "", "key", "label"})
        return [listing.name]

    def read(self, part: str, limits: Ingest) -> Iterator[pa.RecordBatch]:
        return batches(self._walked() if self.source.listing is None else self._listed(limits))

    def _listed(self, limits: Ingest) -> Iterator[dict[str, Any]]:
        source, columns = self.source, roles(self.source)
        path = listing_path(source, self.path)
        layout = find_layout(path, source, columns_used(source))
        for line, row in read_rows(path, layout, limits.max_file_bytes):
            where = {"part": path.name, "row": line}
            if isinstance(row, Refusal):
                yield where | row.columns
                continue
            record = raw_record(source, row, columns)
            yield where | record | {"uri": self._uri(row, record)}

    def _uri(self, row: Mapping[str, str], record: Mapping[str, Any]) -> str:
        named = {**row, "key": record["key"] or "", "label": record.get("label") or ""}
        return self.source.pattern.format(
            row[self.source.content] if self.source.content else named["key"], **named
        )

    def _walked(self) -> Iterator[dict[str, Any]]:
        expression = self._path_expression()
        columns = {role: getattr(self.source, role) or role for role in ROLES}
        columns = {role: column for role, column in columns.items() if column in expression.groupindex}
        for path in walk(self.path):
            found = expression.fullmatch(path)
            if not _is_utf8(path):
                refusal = Refusal("not_utf8", "the file's name is not UTF-8")
                yield {"part": ascii(path), "key": ascii(path)} | refusal.columns
            elif found is None:
                refusal = Refusal("malformed_row", f"the file's path does not follow {self.source.pattern}")
                yield {"part": path, "key": path} | refusal.columns
            else:
                record = raw_record(self.source, found.groupdict(), columns)
                yield {"part": path, "uri": path} | record

    def _check_pattern(self, known: set[str]) -> None:
        unknown = sorted(
            {field for _, field, _, _ in Formatter().parse(self.source.pattern) if field} - known
        )
        if unknown:
            raise ConfigError(
                f"source {self.source.name}: pattern {self.source.pattern} names {', '.join(unknown)}; "
                f"known: {', '.join(sorted(known - {''}))}"
            )

    def _path_expression(self) -> re.Pattern[str]:
        """The pattern as a regular expression: the key may span folders, other fields stay within one."""
        expression, key = "", self.source.key or "key"
        for literal, field, _, _ in Formatter().parse(self.source.pattern):
            expression += re.escape(literal)
            if field is not None:
                name = field or key
                expression += f"(?P<{name}>{'.+' if name == key else '[^/]+'})"
        compiled = re.compile(expression, re.DOTALL)
        missing = sorted({key, *columns_used(self.source)} - set(compiled.groupindex))
        if missing:
            raise ConfigError(
                f"source {self.source.name}: without a listing, pattern must give {', '.join(missing)}; "
                f"it is {self.source.pattern}"
            )
        return compiled


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
