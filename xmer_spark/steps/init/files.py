"""Pictures and texts that lie beside a table, one file per record."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from xmer_spark.schema import ContentType
from xmer_spark.steps.init.sample import PICTURES, TEXTS, Sample

_TRIED = 20  # records whose files are looked for
_FOLDERS = 50
_ENDS: dict[str, ContentType] = {**dict.fromkeys(PICTURES, "image"), **dict.fromkeys(TEXTS, "text")}


def named_files(sample: Sample, column: str) -> tuple[str, float] | None:
    """The pattern of the files that a column names, and the share that exist; None where hardly any does."""
    values = _some(sample, column)
    return _best(sample, [(f"{place}{{{column}}}", place, "", values) for place in _places(sample)])


def files_by_key(sample: Sample, key: str) -> list[tuple[ContentType, str, float]]:
    """For pictures and texts in files that have the key's name: the pattern, and the share that exist."""
    keys = _some(sample, key)
    found = list[tuple[ContentType, str, float]]()
    for type_ in ("image", "text"):
        ends = [end for end, content in _ENDS.items() if content == type_]
        ends += [end.upper() for end in ends]
        tried = [(f"{place}{{{key}}}{end}", place, end, keys) for place in _places(sample) for end in ends]
        best = _best(sample, tried)
        if best is not None:
            found.append((_ENDS[Path(best[0]).suffix.lower()], *best))
    return found


def _best(sample: Sample, tried: list[tuple[str, str, str, list[str]]]) -> tuple[str, float] | None:
    shares = {
        pattern: float(np.mean([(sample.folder / f"{place}{value}{end}").is_file() for value in values]))
        for pattern, place, end, values in tried
        if values
    }
    best = max(shares, key=lambda pattern: shares[pattern], default=None)
    return (best, shares[best]) if best is not None and shares[best] >= 0.5 else None


def _some(sample: Sample, column: str) -> list[str]:
    """A few values that can be parts of a path; none where the column's name cannot stand in a pattern."""
    if re.search(r"[{}:!]", column):
        return []
    values = [value for value in sample.columns[column] if isinstance(value, str) and _can_be_path(value)]
    return values[:: max(1, len(values) // _TRIED)][:_TRIED]


def _can_be_path(value: str) -> bool:
    return 0 < len(value) < 200 and "\0" not in value and not value.startswith("/")


def _places(sample: Sample) -> list[str]:
    """The table's folder and those in it, as the beginning of a pattern."""
    inside = (place for place in sample.folder.iterdir() if place.is_dir() and not place.name.startswith("."))
    names = sorted(place.name for place in inside if not re.search(r"[{}]", place.name))
    return ["", *(f"{name}/" for name in names[:_FOLDERS])]
