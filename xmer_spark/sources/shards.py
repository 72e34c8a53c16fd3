"""The files of a table that is a folder: those of its kind, by their ends; what else lies there is told."""

from __future__ import annotations

import logging
from pathlib import Path

from xmer_spark.config import Source
from xmer_spark.errors import ConfigError
from xmer_spark.files import Place
from xmer_spark.sources.columns import file_pattern
from xmer_spark.sources.files import is_utf8, walk

log = logging.getLogger(__name__)

_SHOWN = 3


def shards(source: Source, path: Place, ends: tuple[str, ...]) -> list[str]:
    """Paths of the files, relative to the folder, in sorted order; a table of one file is that.

    Names that begin with a dot or an underscore are left out, as writers of tables use them for notes. A
    warning names other files that are left out, unless the table's records name files themselves, and
    whatever has the ends of the table's own. A ConfigError names what has them and cannot be a file of it.
    """
    if path.is_file():
        return [path.name]
    files = list(walk(path))
    own = [name for name in files if name.lower().endswith(ends)]
    found = [name for name in own if not _is_note(name)]
    if not found:
        raise ConfigError(f"source {source.name}: no {' or '.join(ends)} file in {path}")
    for name in found:
        _check_file(source, path, name)
    named_by_records = any(file_pattern(source, field) for field in source.contents().values())
    told = [name for name in files if not (named_by_records or _is_note(name))]
    tell_left_out(source, path, sorted({*told, *own} - {*found}))
    return found


def tell_left_out(source: Source, path: Place, names: list[str]) -> None:
    """A warning that names the first files that are left out, if there are any."""
    if names:
        shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
        log.warning("source %s: %d files of %s are left out: %s", source.name, len(names), path, shown)


def _is_note(name: str) -> bool:
    return any(part.startswith("_") for part in Path(name).parts)


def _check_file(source: Source, path: Place, name: str) -> None:
    """Raise a ConfigError for what is no file, as a link to nothing, and for a name that is no text."""
    if not is_utf8(name):
        raise ConfigError(f"source {source.name}: the name of {path}/{name!a} is not UTF-8; rename the file")
    if isinstance(path, Path) and not (path / name).is_file():
        raise ConfigError(f"source {source.name}: {path / name} is no file, or a link to none; remove it")
