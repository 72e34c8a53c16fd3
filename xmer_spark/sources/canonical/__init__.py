"""Scalar values in one canonical form each: strings that mean the same become the same string.

A function takes a column of tidy strings (``strings.Strings.tidy``) and returns it in canonical form, null
where it was null or cannot be read, and beside it what is wrong with each value, null where nothing is.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from xmer_spark.config import Field
from xmer_spark.sources.canonical.date import dates
from xmer_spark.sources.canonical.members import members
from xmer_spark.sources.canonical.number import numbers
from xmer_spark.sources.canonical.place import places
from xmer_spark.sources.strings import single_spaced

Canonical = tuple[pa.StringArray, pa.StringArray]


def _words(values: pa.StringArray, field: Field) -> Canonical:
    return single_spaced(values), pa.nulls(len(values), pa.string())


_FORMS: dict[str, Callable[[pa.StringArray, Field], Canonical]] = {
    "number": lambda values, field: numbers(values),
    "date": lambda values, field: dates(values),
    "place": lambda values, field: places(values),
    "set": lambda values, field: members(values, field.separator),
    "reference": lambda values, field: members(values, field.separator),
    "name": _words,
    "category": _words,
    "identifier": _words,
}


def canonical(values: pa.StringArray, field: Field) -> Canonical:
    """The canonical form of a scalar field's values (n), and what is wrong with each (n)."""
    return _FORMS[field.type](values, field)
