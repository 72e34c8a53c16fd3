"""The fields of one source, each with the columns that it is read from and a reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from xmer_spark.schema import SPLITS
from xmer_spark.steps.init import files
from xmer_spark.steps.init.guess import LATITUDE, LONGITUDE, Guess, Key, guess, is_truth, words
from xmer_spark.steps.init.profile import Profile
from xmer_spark.steps.init.sample import Sample


@dataclass(frozen=True)
class FieldFound:
    """A field as it will be written: its name, its guess, and the column, the columns or the file of it."""

    name: str
    guess: Guess
    column: str | None = None
    columns: tuple[str, ...] = ()
    file: str | None = None
    profile: Profile | None = None

    @property
    def values(self) -> frozenset[str]:
        return self.profile.values if self.profile else frozenset()


@dataclass
class Columns:
    """What becomes of a table's columns: fields, roles to be confirmed (role, column, why), or nothing."""

    fields: list[FieldFound] = field(default_factory=list)
    roles: list[tuple[str, str, str]] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)


def divide(sample: Sample, profiles: Mapping[str, Profile], key: Key) -> Columns:
    """Say of each column of a table what it is for."""
    found, pair = Columns(), _coordinates(profiles)
    for column, seen in profiles.items():
        if column == key.column and not key.also_field:
            continue
        if seen.filled and column != key.column and (is_truth(column) or _is_split(seen)):
            found.roles.append(_role(seen))
        elif column in pair:
            if column == pair[0]:
                place = Guess("place", "sure", "latitude and longitude")
                found.fields.append(FieldFound("place", place, columns=pair))
        elif (files_of := _named_files(sample, seen)) is not None:
            found.fields.append(files_of)
        elif (type_ := guess(seen)) is not None:
            found.fields.append(FieldFound(field_name(column), type_, column, profile=seen))
        else:
            found.left_out.append((column, _why_nothing(seen)))
    for content, pattern, share in files.files_by_key(sample, key.column):
        why = f"{share:.0%} of the keys tried have such a file"
        found.fields.append(FieldFound(content, Guess(content, "sure", why), file=pattern))
    found.fields = _named_once(found.fields)
    return found


def field_name(column: str) -> str:
    """A name that a field may have, from a column's.

    >>> field_name("release date"), field_name("Beer_Name"), field_name("2nd"), field_name("source")
    ('release_date', 'Beer_Name', 'field_2nd', 'field_source')
    """
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", column).strip("_-")
    # The records that blocking and comparing see have columns of these two names.
    return name if re.match("[A-Za-z]", name) and name not in ("source", "record_key") else f"field_{name}"


def _named_once(found: list[FieldFound]) -> list[FieldFound]:
    names, result = set[str](), list[FieldFound]()
    for each in found:
        name, number = each.name, 2
        while name.lower() in names:
            name, number = f"{each.name}_{number}", number + 1
        names.add(name.lower())
        result.append(FieldFound(name, each.guess, each.column, each.columns, each.file, each.profile))
    return result


def _named_files(sample: Sample, seen: Profile) -> FieldFound | None:
    """The field of a column that names pictures."""
    if seen.share("picture") < 0.8:
        return None
    name = field_name(seen.column)
    best = files.named_files(sample, seen.column)
    if best is None:
        why = "names pictures, of which none was found beside the table: see file"
        return FieldFound(name, Guess("image", "unsure", why), seen.column)
    pattern, share = best
    guessed = Guess("image", "sure", f"names pictures; {share:.0%} of those tried are there")
    return FieldFound(name, guessed, file=pattern)


def _coordinates(profiles: Mapping[str, Profile]) -> tuple[str, ...]:
    """The columns of latitude and longitude, in this order; none where either is missing."""
    pair = []
    for names, limit in ((LATITUDE, 90), (LONGITUDE, 180)):
        fit = [
            column
            for column, seen in profiles.items()
            if not set(names).isdisjoint(words(column))
            and seen.share("number") >= 0.95
            and -limit <= seen.low <= seen.high <= limit
        ]
        pair += fit[:1]
    return tuple(pair) if len(pair) == 2 else ()


def _is_split(seen: Profile) -> bool:
    return bool(seen.values) and seen.values <= set(SPLITS)


def _role(seen: Profile) -> tuple[str, str, str]:
    distinct = f"{seen.distinct:,} distinct of {seen.filled:,}"
    if _is_split(seen):
        return "split", seen.column, f"{distinct}; uncomment it if it says what to train and to test with"
    if seen.unique > 0.2 or not {"entity", "cluster"}.isdisjoint(words(seen.column)):
        return "entity", seen.column, f"{distinct}; uncomment it if equal values mean the same thing"
    return "label", seen.column, f"{distinct}; uncomment it if it is a class that someone has assigned"


def _why_nothing(seen: Profile) -> str:
    if seen.form == "vector":
        return f'vectors of {seen.mean_length:.0f} numbers: {{type = "vector", modality = "image" or "text"}}'
    return "no values, or of parts that no field can name"
