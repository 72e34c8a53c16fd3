"""Kinds ``images`` and ``texts``: a folder of files, with a list file or without."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from xmer_spark.config import Ingest, Source
from xmer_spark.errors import ConfigError
from xmer_spark.files import Place
from xmer_spark.sources.columns import WALKED, columns_used, roles
from xmer_spark.sources.delimited import read_batches, source_layout
from xmer_spark.sources.files import is_utf8, walk
from xmer_spark.sources.pattern import PathPattern
from xmer_spark.sources.place import listing_path
from xmer_spark.sources.records import Refusal, blocks, bytes_of, raw_batch, refused_batch


class FolderReader:
    """Lists the files of a folder; their content is loaded later, where it is examined.

    With a list file, ``pattern`` gives the file of a row: ``{label}/{key}.jpg``. Without one, every file is
    an input, and ``pattern`` is read the other way round: it takes key, label and further columns from the
    file's path. The plain ``{}`` makes the whole path the key.
    """

    def __init__(self, source: Source, path: Place) -> None:
        self.source = source
        self.path = path

    def parts(self) -> list[str]:
        if not self.path.is_dir():
            raise ConfigError(f"source {self.source.name}: {self.path} is not a folder")
        if self.source.listing is None:
            self._path_pattern()
            if next(walk(self.path), None) is None:
                raise ConfigError(f"source {self.source.name}: no file in {self.path}")
            return ["."]
        listing = listing_path(self.source, self.path)
        source_layout(listing, self.source)
        return [listing.name]

    def read(self, part: str, limits: Ingest) -> Iterator[pa.RecordBatch]:
        if self.source.listing is None:
            return self._walked()
        listing = listing_path(self.source, self.path)
        return read_batches(listing, part, source_layout(listing, self.source), self.source, limits)

    def _walked(self) -> Iterator[pa.RecordBatch]:
        pattern, key = self._path_pattern(), roles(self.source)["key"]
        for paths in blocks(walk(self.path)):
            found = [(path, pattern.read(path) if is_utf8(path) else None) for path in paths]
            good = [(path, values) for path, values in found if values is not None]
            refused = [path for path, values in found if values is None]
            if refused:
                yield refused_batch(self.source, [self._refused(path, key) for path in refused])
            if good:
                columns = {
                    name: bytes_of([path if name == WALKED else values[name] for path, values in good])
                    for name in columns_used(self.source)
                }
                parts = pa.array([path for path, _ in good], pa.string())
                yield raw_batch(self.source, columns, parts, [None] * len(good))

    def _refused(self, path: str, key: str) -> dict[str, object]:
        refusal = Refusal("malformed_row", f"the file's path does not follow {self.source.pattern}")
        if not is_utf8(path):
            path, refusal = ascii(path), Refusal("not_utf8", "the file's name is not UTF-8")
        return {"part": path, key: path.encode(), **refusal.columns}

    def _path_pattern(self) -> PathPattern:
        key = roles(self.source)["key"]
        pattern = PathPattern(self.source.pattern, key)
        missing = sorted({key, *columns_used(self.source)} - {WALKED, *pattern.names})
        if missing:
            raise ConfigError(
                f"source {self.source.name}: without a listing, pattern must give {', '.join(missing)}; "
                f"it is {self.source.pattern}"
            )
        return pattern
