"""Where a source's input lies."""

from __future__ import annotations

from pathlib import Path

import xmer_spark
from xmer_spark.config import Source
from xmer_spark.errors import ConfigError
from xmer_spark.files import Place, place

_BUNDLED = "sample:"


def locate(source: Source, root: Path) -> Place:
    """The file or folder of a source, local or at a URL; relative paths are relative to ``root``."""
    if source.path.startswith(_BUNDLED):
        return _bundled(source)
    path = place(source.path, root)
    try:
        there = path.exists()
    except OSError as error:  # a name that is too long, a folder that may not be entered
        raise ConfigError(f"source {source.name}: path: {path}: {error.strerror}") from None
    if not there:
        raise ConfigError(f"source {source.name}: path: there is no {path}")
    return path


def folder_of(path: Place) -> Place:
    """The folder that a source's files are named relative to: its own, or the one that its file lies in."""
    return path if path.is_dir() else path.parent


def listing_path(source: Source, path: Place) -> Place:
    """The list file, which is named relative to the source's folder."""
    listing = folder_of(path) / str(source.listing)
    if not listing.is_file():
        raise ConfigError(f"source {source.name}: listing: there is no {listing}")
    return listing


def _bundled(source: Source) -> Path:
    folder = Path(xmer_spark.__file__).parent / "sample"
    path = folder / f"{source.path.removeprefix(_BUNDLED)}.parquet"
    if not path.is_file():
        known = ", ".join(f"{_BUNDLED}{file.stem}" for file in sorted(folder.glob("*.parquet")))
        raise ConfigError(f"source {source.name}: path: {source.path} is not bundled; known: {known}")
    return path
