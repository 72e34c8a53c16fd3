"""The whole configuration, read from a TOML file, with single keys replaced by ``--set``.

An unknown or wrong key is an error that names the key and says what is allowed.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_origin

from pydantic import BaseModel, Field, ValidationError, model_validator

from xmer_spark.config.base import Name, Section
from xmer_spark.config.benchmark import Benchmark
from xmer_spark.config.entities import Entities
from xmer_spark.config.sections import (
    Audit,
    Blocking,
    Clustering,
    Evaluation,
    Extract,
    Hashing,
    Ingest,
    Report,
    Scoring,
    Space,
    Spark,
    Tracking,
    Training,
    Warehouse,
)
from xmer_spark.config.source import Source
from xmer_spark.config.truth import Truth
from xmer_spark.errors import ConfigError
from xmer_spark.schema import Modality


class Config(Section):
    """The whole configuration."""

    name: Name
    description: str = Field("", description="one sentence for the report")
    seed: int = 7
    warehouse: Warehouse = Field(default_factory=Warehouse)
    tracking: Tracking = Field(default_factory=Tracking)
    spark: Spark = Field(default_factory=Spark)
    source: list[Source] = Field(default_factory=list)
    truth: list[Truth] = Field(default_factory=list)
    ingest: Ingest = Field(default_factory=Ingest)
    extract: Extract = Field(default_factory=Extract)
    train: Training = Field(default_factory=Training)
    space: Space = Field(default_factory=Space)
    hashing: Hashing = Field(default_factory=Hashing)
    blocking: Blocking = Field(default_factory=Blocking)
    scoring: Scoring = Field(default_factory=Scoring)
    clustering: Clustering = Field(default_factory=Clustering)
    entities: Entities = Field(default_factory=Entities)
    audit: Audit = Field(default_factory=Audit)
    evaluation: Evaluation = Field(default_factory=Evaluation)
    report: Report = Field(default_factory=Report)
    benchmark: Benchmark | None = None

    @model_validator(mode="after")
    def _has_something_to_read(self) -> Config:
        if not self.source and self.benchmark is None:
            raise ValueError("[[source]]: there must be one at least, or a [benchmark]")
        return self

    @model_validator(mode="after")
    def _names_are_unique(self) -> Config:
        names = [source.name for source in self.source]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"source names must be unique; repeated: {', '.join(repeated)}")
        return self

    @model_validator(mode="after")
    def _truth_is_said_once(self) -> Config:
        entities = {source.name: source.entity for source in self.source}
        paired = sorted({name for truth in self.truth for name in truth.sources})
        unknown = [name for name in paired if name not in entities]
        if unknown:
            raise ValueError(f"[[truth]]: no source {', '.join(unknown)}; known: {', '.join(entities)}")
        twice = [name for name in paired if entities[name] is not None]
        if twice:
            raise ValueError(f"[[truth]]: {', '.join(twice)} has its entities in a column; leave out either")
        return self

    @model_validator(mode="after")
    def _values_have_fitting_rules(self) -> Config:
        problems = list(self.entities.problems(self.source))
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def modalities(self) -> list[Modality]:
        """The modalities of all sources' contents, sorted."""
        found = {f.content_modality for source in self.source for f in source.contents().values()}
        return sorted(modality for modality in found if modality is not None)

    def extractors(self, modality: Modality) -> list[str]:
        return list(getattr(self.extract, modality))


def load_config(path: Path | str, replacements: Iterable[str] = ()) -> Config:
    """Read a TOML file and replace single keys given as ``section.key=value``.

    The value is read as TOML where that is possible, else as a string.
    """
    path = Path(path)
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    for replacement in replacements:
        _replace(document, replacement)
    try:
        return Config.model_validate(document)
    except ValidationError as error:
        raise ConfigError(_explain(path, error)) from None


def _replace(document: dict[str, Any], replacement: str) -> None:
    key, equals, text = replacement.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError(f"--set {replacement}: expected section.key=value")
    target: Any = document
    for done, part in enumerate(parts[:-1], 1):
        if isinstance(target, list):
            target = _named(target, part, ".".join(parts[:done]))
        else:
            target = target.setdefault(part, {})
        if not isinstance(target, (dict, list)):
            raise ConfigError(f"--set {replacement}: {'.'.join(parts[:done])} is a value, not a section")
    if isinstance(target, list):
        raise ConfigError(f"--set {replacement}: name one of the list, as in source.NAME.key=value")
    target[parts[-1]] = _value(text)


def _named(entries: list[Any], name: str, path: str) -> Any:
    for entry in entries:
        if isinstance(entry, dict) and entry.get("name") == name:
            return entry
    known = ", ".join(str(e.get("name")) for e in entries if isinstance(e, dict))
    raise ConfigError(f"--set {path}: no such entry; known: {known}")


def _value(text: str) -> Any:
    """The value of ``--set``: TOML, or else a plain string.

    >>> _value("3"), _value("[1, 2]"), _value("jrl")
    (3, [1, 2], 'jrl')
    """
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _explain(path: Path, error: ValidationError) -> str:
    lines = [f"{path}: the configuration is wrong"]
    for problem in error.errors(include_url=False):
        key = ".".join(str(part) for part in problem["loc"]) or "(whole file)"
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = f"unknown key; allowed here: {', '.join(_allowed(problem['loc']))}"
        elif problem["type"] == "missing":
            message = "missing"
        lines.append(f"  {key}: {message}")
    return "\n".join(lines)


def _allowed(location: tuple[int | str, ...]) -> list[str]:
    """The keys of the section that holds ``location``."""
    section: Any = Config
    named = False  # whether the next part is a name that the user has given
    for part in location[:-1]:
        if isinstance(part, int) or named:
            named = False
            continue
        annotation = section.model_fields[part].annotation
        named = get_origin(annotation) is dict
        arguments = getattr(annotation, "__args__", (annotation,))
        section = next((a for a in arguments if isinstance(a, type) and issubclass(a, BaseModel)), section)
    return sorted(section.model_fields)


def document_hash(document: Any) -> str:
    """A short hash of any JSON value, the same in every run."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
