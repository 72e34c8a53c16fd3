"""The command on files, and what it wrote as a configuration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from xmer_spark.cli import main
from xmer_spark.config import Config, load_config


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """A file of a text, its line ends as they are."""

    def written(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        return path

    return written


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["init", *map(str, arguments)])


def configured(folder: Path, *files: Path) -> tuple[Config, str]:
    """The configuration that the command writes about some files, and its text."""
    output = folder / "written.toml"
    output.unlink(missing_ok=True)
    done = run(*files, "--output", output)
    assert done.exit_code == 0, done.output
    assert len(done.output.splitlines()) <= 15
    return load_config(output), output.read_text("utf-8")


def types(config: Config, source: int = 0) -> dict[str, str]:
    return {name: field.type for name, field in config.source[source].fields.items()}
