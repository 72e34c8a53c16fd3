"""``xmer init``: from files to a configuration."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from xmer_spark.errors import ConfigError
from xmer_spark.steps.init.document import summary, write
from xmer_spark.steps.init.survey import default_name, survey


def begin(files: Sequence[Path], output: Path | None = None, name: str | None = None) -> list[str]:
    """Write the configuration that the files suggest, and return the lines that say what was found.

    A file that is there already is not overwritten: a person may have corrected it.
    """
    if name is not None and not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name):
        raise ConfigError(f"--name {name}: must be letters, digits, _ and -, and begin with a letter")
    _refuse_to_overwrite(output)
    sources = survey(files)
    name = name or default_name(sources)
    output = output or Path(f"{name}.toml")
    _refuse_to_overwrite(output)
    output.write_text(write(name, sources), "utf-8")
    return summary(sources, str(output))


def _refuse_to_overwrite(output: Path | None) -> None:
    if output is not None and output.exists():
        raise ConfigError(f"{output}: is there already; name another file with --output, or remove it")
