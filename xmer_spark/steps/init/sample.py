"""The beginning of an input: enough to guess from, and never more than fits."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from xmer_spark.config.source import Kind

ROWS = 10_000  # rows of a table, or files of a folder
PICTURES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
TEXTS = (".txt",)


@dataclass(frozen=True)
class Sample:
    """What was seen of one input.

    ``columns`` holds an array (n) per column: of strings, lists or bytes, None where there is no value. Of a
    folder of files there are no columns, but the ``files`` relative to it. ``settings`` are keys of
    ``[[source]]`` that its reader needs, each with a reason; ``notes`` is what a person should know.
    """

    path: Path
    kind: Kind
    rows: int
    complete: bool
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    settings: dict[str, tuple[Any, str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """What files are named relative to."""
        return self.path if self.path.is_dir() else self.path.parent
