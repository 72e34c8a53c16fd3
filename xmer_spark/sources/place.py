"""Has the input changed? Told without Spark, so that a job that has nothing to do need not start it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import xmer_spark
from xmer_spark.config import Source
from xmer_spark.errors import ConfigError
from xmer_spark.sources.files import walk

_BUNDLED = "sample:"


def locate(source: Source, root: Path) -> Path:
    """The file or folder of a source; relative paths are relative to ``root``."""
    if source.path.startswith(_BUNDLED):
        return _bundled(source)
    path = root / source.path
    if not path.exists():
        raise ConfigError(f"source {source.name}: path: there is no {path}")
    return path


def _bundled(source: Source) -> Path:
    folder = Path(xmer_spark.__file__).parent / "sample"
    path = folder / f"{source.path.removeprefix(_BUNDLED)}.parquet"
    if not path.is_file():
        known = ", ".join(f"{_BUNDLED}{file.stem}" for file in sorted(folder.glob("*.parquet")))
        raise ConfigError(f"source {source.name}: path: {source.path} is not bundled; known: {known}")
    return path


def fingerprint(source: Source, root: Path) -> str:
    """A hash that changes when the input does.

    It covers a file's content; of a folder the names, sizes and modification times of its files; and the
    content of the list file.
    """
    path = locate(source, root)
    digest = hashlib.sha256()
    if path.is_file():
        digest.update(_content_hash(path))
    else:
        for name in walk(path):
            status = (path / name).lstat()
            digest.update(f"{name!a} {status.st_size} {status.st_mtime_ns}\n".encode())
    if source.listing is not None:
        digest.update(_content_hash(listing_path(source, path)))
    return digest.hexdigest()


def listing_path(source: Source, path: Path) -> Path:
    """The list file, which is named relative to the source's folder."""
    listing = (path if path.is_dir() else path.parent) / str(source.listing)
    if not listing.is_file():
        raise ConfigError(f"source {source.name}: listing: there is no {listing}")
    return listing


def _content_hash(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
