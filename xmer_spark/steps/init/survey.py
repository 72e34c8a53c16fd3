"""Looks at every input and says what a configuration would call it."""

from __future__ import annotations

import os.path
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from xmer_spark.errors import ConfigError
from xmer_spark.steps.init.alike import share_names
from xmer_spark.steps.init.fields import Columns, FieldFound, divide, field_name
from xmer_spark.steps.init.guess import Guess, Key, find_key
from xmer_spark.steps.init.inputs import read_sample
from xmer_spark.steps.init.profile import Profile, profile
from xmer_spark.steps.init.sample import Sample

#: The share of a source's names that may come again where it names each thing once: two things of one name.
_CHANCE = 0.01


@dataclass(frozen=True)
class SourceFound:
    """One source as it will be written."""

    name: str
    sample: Sample
    key: Key | None  # None of a folder of files, whose names are the keys
    columns: Columns
    pattern: str | None = None
    one_per_entity: tuple[bool, str] = (False, "")

    @property
    def fields(self) -> list[FieldFound]:
        return self.columns.fields


def survey(paths: Sequence[Path]) -> list[SourceFound]:
    """What each file or folder holds; a ConfigError where one cannot be a source, which says what to do."""
    samples = [read_sample(path) for path in paths]
    names = _names(paths)
    found = [_source(name, sample) for name, sample in zip(names, samples, strict=True)]
    if any(_shows(source) for source in found):
        found = [_with_text(source) for source in found]
    shared = share_names([source.fields for source in found])
    found = [
        replace(source, columns=replace(source.columns, fields=fields))
        for source, fields in zip(found, shared, strict=True)
    ]
    found = [replace(source, one_per_entity=_one_per_entity(source, len(found))) for source in found]
    return [_with_twice(source, found) for source in found]


def _source(name: str, sample: Sample) -> SourceFound:
    if not sample.columns:
        return SourceFound(name, sample, None, Columns(), _pattern(sample.files))
    profiles = {column: profile(column, values) for column, values in sample.columns.items()}
    key = find_key(profiles.values())
    if key is None:
        raise ConfigError(_no_key(sample, profiles))
    columns = divide(sample, profiles, key)
    if not columns.fields:
        raise ConfigError(f"{sample.path}: beside the key, {key.column}, there is nothing to compare")
    return SourceFound(name, sample, key, columns)


def _no_key(sample: Sample, profiles: dict[str, Profile]) -> str:
    if not sample.rows:
        return f"{sample.path}: there are no rows to guess from"
    nearest = max(profiles.values(), key=lambda seen: seen.exact)
    return (
        f"{sample.path}: no column can be the key, which names each record once: the nearest, "
        f"{nearest.column}, has {nearest.exact:,} distinct values in {nearest.rows:,} rows. Add a column "
        "with a number for each row, which stays the same when rows come and go, and run xmer init again"
    )


def _names(paths: Sequence[Path]) -> list[str]:
    """A name for each source: its file's, with its folder's before it where two have the same."""
    stems = [field_name(_stem(path)) for path in paths]
    count = Counter(stem.lower() for stem in stems)
    names = list[str]()
    for path, stem in zip(paths, stems, strict=True):
        wanted = field_name(f"{path.resolve().parent.name}_{stem}") if count[stem.lower()] > 1 else stem
        name, number = wanted, 2
        while name.lower() in names:
            name, number = f"{wanted}_{number}", number + 1
        names.append(name.lower() if name != wanted else name)
    return names


def _stem(path: Path) -> str:
    resolved = path.resolve()
    return resolved.name if resolved.is_dir() else resolved.stem


def _pattern(files: Sequence[str]) -> str:
    """How a file is named after its key: with the ending that all have, or else the whole name is the key."""
    ends = {PurePosixPath(name).suffix for name in files}
    [end] = ends if len(ends) == 1 else [""]
    return f"{{key}}{end}" if end else "{}"


def _shows(source: SourceFound) -> bool:
    """Whether a source has pictures."""
    return source.sample.kind == "images" or any(each.guess.type == "image" for each in source.fields)


def _with_text(source: SourceFound) -> SourceFound:
    """The same, with the longest of its names taken as a text if it has none: pictures need one."""
    names = [each for each in source.fields if each.guess.type == "name"]
    if not names or any(each.guess.type == "text" for each in source.fields):
        return source
    longest = max(names, key=lambda each: each.profile.mean_length if each.profile else 0)
    guess = Guess("text", "unsure", f"{longest.guess.why}; a text, so that pictures are compared with it")
    fields = [replace(each, guess=guess) if each is longest else each for each in source.fields]
    return replace(source, columns=replace(source.columns, fields=fields))


def _with_twice(source: SourceFound, found: Sequence[SourceFound]) -> SourceFound:
    """The same with a note if its files are those that a field of a table names, too."""
    here = source.sample.path.resolve()
    twice = [
        f"{other.name}.{each.name}"
        for other in found
        for each in other.fields
        if source.pattern is not None
        and each.file is not None
        and (other.sample.folder / each.file).resolve().is_relative_to(here)
    ]
    notes = [f"{name} has these files, too: leave one of the two out" for name in twice]
    return replace(source, sample=replace(source.sample, notes=(*source.sample.notes, *notes)))


def _one_per_entity(source: SourceFound, sources: int) -> tuple[bool, str]:
    """Whether a source names each thing once, as far as values can tell, and why."""
    what = f"true where {source.name} names each thing once"
    called = [each for each in source.fields if each.guess.type in ("name", "text") and each.profile]
    if sources == 1 or not called or called[0].profile is None:
        return False, f"{what}: values alone do not tell"
    seen = called[0].profile
    repeated = seen.filled - seen.distinct
    if repeated > _CHANCE * seen.filled:
        return False, f"{what}: {repeated:,} of {seen.filled:,} values of {called[0].name} come again"
    whole = "" if source.sample.complete else f" of the first {source.sample.rows:,} rows"
    count = f"{repeated:,} of {seen.filled:,} values" if repeated else "no value"
    comes = "come" if repeated > 1 else "comes"
    again = f"{count} of {called[0].name} {comes} again{whole}"
    return True, f"{again}; false where a thing may stand there twice"


def default_name(sources: Sequence[SourceFound]) -> str:
    """The name of the configuration: its only source, or the folder that all lie in, or the first source."""
    if len(sources) == 1:
        return sources[0].name
    common = Path(os.path.commonpath([source.sample.path.resolve().parent for source in sources]))
    return field_name(common.name) if common != Path.cwd() and common.name else sources[0].name
