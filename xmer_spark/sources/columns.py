"""Which columns of the input a source's configuration names, and what each is for."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import pyarrow as pa

from xmer_spark.config import Field, Source
from xmer_spark.errors import ConfigError
from xmer_spark.files import Place
from xmer_spark.sources.pattern import names

ROLES = ("key", "label", "entity", "split")
#: The column that holds the path of a file that was found by walking through a folder.
WALKED = ""


def is_walked(source: Source) -> bool:
    """Whether the source's records are the files of a folder, without a list."""
    return source.kind in ("images", "texts") and source.listing is None


def roles(source: Source) -> dict[str, str]:
    """Which column plays which role, for the roles that the configuration names."""
    named = {role: getattr(source, role) for role in ROLES}
    named["key"] = source.key or "key"
    if is_walked(source):
        in_path = names(source.pattern)
        named |= {role: role for role in ROLES if named[role] is None and role in in_path}
    return {role: column for role, column in named.items() if column is not None}


def file_pattern(source: Source, field: Field) -> str | None:
    """The pattern of a content's file; None where the content stands in the column, or was walked upon."""
    if not field.is_content or field.type == "vector" or is_found(source, field):
        return None
    if field.file is None and field.type == "image" and source.kind in ("csv", "json"):
        return "{}"  # bytes cannot stand there: it is the path
    return field.file


def is_found(source: Source, field: Field) -> bool:
    """Whether the field's content is the file that was walked upon."""
    return is_walked(source) and field.is_content and field.file in (None, source.pattern)


def pattern_columns(source: Source, name: str, field: Field) -> dict[str, str]:
    """The column of each name in a field's file pattern; ``{}`` is its own column, or else the key's."""
    played = roles(source)
    own = field.column or (name if field.file is None else played["key"])
    return {n: own if n == "" else played.get(n, n) for n in names(file_pattern(source, field) or "")}


def field_columns(source: Source, name: str, field: Field) -> list[str]:
    """The columns that a field is made of."""
    if is_found(source, field):
        return [WALKED]
    if field.variable is not None:
        return [field.variable]
    if file_pattern(source, field) is not None:
        return list(pattern_columns(source, name, field).values())
    return list(field.columns) or [field.column or name]


def column_types(source: Source) -> dict[str, pa.DataType]:
    """The columns that the configuration names, each once, as bytes or as lists of numbers."""
    types = dict.fromkeys(roles(source).values(), pa.binary())
    for name, field in source.all_fields().items():
        type_ = pa.list_(pa.float32()) if field.type == "vector" else pa.binary()
        types |= dict.fromkeys(field_columns(source, name, field), type_)
    return types


def columns_used(source: Source) -> list[str]:
    return list(column_types(source))


def as_wanted(names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """The names of columns, spelt as ``wanted`` where they differ only in what nobody sees.

    That is white space, signs without width, and Unicode's forms of one letter.

    >>> as_wanted(["sku ", "Title", "\ufeffprice"], ["sku", "title", "price"])
    ['sku', 'Title', 'price']
    """
    spelt = {_seen(name): name for name in wanted if name not in names}
    return [spelt.get(_seen(name), name) for name in names] if spelt else list(names)


def check_once(name: str, path: Place, columns: Sequence[str], wanted: Sequence[str]) -> None:
    """Raise a ConfigError, which begins with ``name``, where a wanted column is there twice."""
    twice = [column for column in wanted if columns.count(column) > 1]
    if twice:
        raise ConfigError(
            f"{name}: {path} has more than one column {', '.join(twice)}; rename all but one of them"
        )


@lru_cache(maxsize=4096)
def _seen(name: str) -> str:
    shown = "".join(sign for sign in name if unicodedata.category(sign) != "Cf")
    return " ".join(unicodedata.normalize("NFC", shown).split())
