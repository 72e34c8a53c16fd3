"""What kind of input a path is, and the reader of its beginning."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from xmer_spark.config.source import Kind
from xmer_spark.errors import ConfigError
from xmer_spark.sources.files import walk
from xmer_spark.steps.init.sample import PICTURES, ROWS, TEXTS, Sample
from xmer_spark.steps.init.tables import read_csv, read_json, read_parquet

_TABLES: dict[str, Kind] = {
    ".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".json": "json", ".jsonl": "json", ".ndjson": "json",
}  # fmt: skip
_READERS = {"csv": read_csv, "json": read_json, "parquet": read_parquet}
#: The files of a folder that is of a kind.
_ENDS: dict[Kind, tuple[str, ...]] = {
    "images": PICTURES,
    "texts": TEXTS,
    "csv": (".csv",),
    "json": (".json", ".jsonl", ".ndjson"),
    "parquet": (".parquet",),
}


def read_sample(path: Path) -> Sample:
    """The first rows of a table, or the names of a folder's files; a ConfigError where it is neither."""
    if not path.exists():
        raise ConfigError(
            f"{path}: there is no such file or folder on this disk; of what lies at a URL give a local copy "
            "of a part, and write the URL into the configuration"
        )
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
    # Tables list what lies in the folders beside them.
    top = [name for name in files if "/" not in name and Path(name).suffix.lower() in _TABLES]
    found = _by_kind(top) or _by_kind(files)
    if len(found) != 1:
        what = " and ".join(f"{kind} ({names[0]})" for kind, names in found.items()) or "no table or picture"
        raise ConfigError(f"{path}: holds {what}; name the files, or folders of one kind of input each")
    [(kind, names)] = found.items()
    if kind in _READERS:
        return _READERS[kind](path, [path / name for name in names])
    others = len(files) - len(names)
    notes = (f"{others:,} other files lie there, which are refused",) if others else ()
    return Sample(path, kind, len(names), len(files) <= ROWS, files=tuple(names), notes=notes)


def _by_kind(files: list[str]) -> dict[Kind, list[str]]:
    kinds = {kind: [name for name in files if Path(name).suffix.lower() in _ENDS[kind]] for kind in _ENDS}
    return {kind: names for kind, names in kinds.items() if names}
