"""Has the input changed? Told without Spark, so that a job that has nothing to do need not start it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from xmer_spark.config import Ingest, Source
from xmer_spark.files import Place, Remote
from xmer_spark.sources import REGISTRY
from xmer_spark.sources.columns import file_pattern, is_walked
from xmer_spark.sources.fields import Columns, paths
from xmer_spark.sources.files import status_lines, walk
from xmer_spark.sources.place import folder_of, listing_path, locate
from xmer_spark.sources.records import Reader, columns_of
from xmer_spark.sources.roles import labels


def fingerprint(source: Source, limits: Ingest, root: Path) -> str:
    """A hash that changes when the input of a source does; relative paths are relative to ``root``.

    It covers a file's content; of a folder the names, sizes and modification times of its files; the content
    of the list file; and of each file that a table or a list names its size and modification time. Of files
    at a URL what their file system says of them stands for content and time.
    """
    path = locate(source, root)
    digest = hashlib.sha256()
    if path.is_file():
        digest.update(content_hash(path))
    elif source.listing is None:
        for line in _walked(path):
            digest.update(line.encode())
    if source.listing is not None:
        digest.update(content_hash(listing_path(source, path)))
    for line in status_lines(folder_of(path), _named_files(source, limits, path)):
        digest.update(line.encode())
    return digest.hexdigest()


def _walked(path: Place) -> Iterator[str]:
    """A line for each file of a folder, links and files that no record will name among them."""
    if isinstance(path, Remote):
        yield from (f"{name!a} {version}\n" for name, version in path.listed().items())
        return
    for name in walk(path):
        status = (path / name).lstat()
        yield f"{name!a} {status.st_size} {status.st_mtime_ns}\n"


def content_hash(path: Place) -> bytes:
    """The hash of a file's content; of a remote one that of its version, so that it need not be fetched."""
    if isinstance(path, Remote):
        return hashlib.sha256(path.version().encode()).digest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _named_files(source: Source, limits: Ingest, path: Place) -> Iterator[str]:
    """The files that the records name, in the order of the records."""
    fields = {n: f for n, f in source.contents().items() if file_pattern(source, f) is not None}
    if not fields or is_walked(source):
        return
    reader: Reader = REGISTRY.build(source.kind, {"source": source, "path": path})
    for part in reader.parts():
        for batch in reader.read(part, limits):
            columns = Columns(columns_of(batch, source), limits, len(batch))
            classes = labels(columns, source)
            for name, field in fields.items():
                uris = paths(columns, classes, source, name, field)
                yield from () if uris is None else filter(None, uris.to_pylist())
