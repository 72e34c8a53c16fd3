"""The files of a table that is a folder: those of its kind, by their ends; what else lies there is told."""

from __future__ import annotations

import logging
from pathlib import Path

from xmer_spark.config import Source
from xmer_spark.errors import ConfigError
from xmer_spark.files import Place
from xmer_spark.sources.columns import file_pattern
from xmer_spark.sources.files import walk

log = logging.getLogger(__name__)

_SHOWN = 3


def shards(source: Source, path: Place, ends: tuple[str, ...]) -> list[str]:
    """Paths of the files, relative to the folder, in sorted order; a table of one file is that.

    Names that begin with a dot or an underscore are left out, as writers of tables use them for notes. A
    warning names other files that are left out, unless the table's records name files themselves.
    """
    if path.is_file():
        return [path.name]
    files = [name for name in walk(path) if not any(part.startswith("_") for part in Path(name).parts)]
    found = [name for name in files if name.lower().endswith(ends)]
    if not found:
        raise ConfigError(f"source {source.name}: no {' or '.join(ends)} file in {path}")
    others = sorted(set(files) - set(found))
    if others and not any(file_pattern(source, field) for field in source.contents().values()):
        named = ", ".join(others[:_SHOWN]) + (", ..." if len(others) > _SHOWN else "")
        log.warning("source %s: %d files of %s are left out: %s", source.name, len(others), path, named)
    return found
