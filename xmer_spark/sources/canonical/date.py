"""Dates in ISO 8601, as exact as they were given: ``1998-03-04``, ``1998-03`` or ``1998``."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xmer_spark.sources.canonical.told import told

_MONTHS = ("jan", "feb", "mar", "apr", "may", "june?", "july?", "aug", "sept?", "oct", "nov", "dec")
_REST = ("uary", "ruary", "ch", "il", "", "", "", "ust", "ember", "ober", "ember", "ember")
_Y, _M, _D = r"(?P<y>\d{4})", r"(?P<m>\d{1,2})", r"(?P<d>\d{1,2})"
_NAMED = r"@(?P<m>\d\d)"
#: Forms that can be read one way only; a month's name has become ``@03``. A time of day may follow.
_FORMS = (
    rf"^{_Y}[-/.]{_M}[-/.]{_D}(?:[T ][\d:.,]+\s?(?:Z|UTC|[+-]\d\d:?\d\d)?)?$",
    r"^(?P<y>\d{4})(?P<m>\d\d)(?P<d>\d\d)$",
    rf"^{_Y}[-/.]{_M}(?P<d>)$",
    rf"^{_Y}(?P<m>)(?P<d>)$",
    rf"^{_D}\.\s?{_M}\.\s?{_Y}$",
    rf"^{_D}(?:st|nd|rd|th|\.)?[\s-]*(?:of )?{_NAMED}[\s.,-]*{_Y}$",
    rf"^{_NAMED}[\s.-]*{_D}(?:st|nd|rd|th)?[\s,-]+{_Y}$",
    rf"^{_NAMED}[\s.,-]*{_Y}(?P<d>)$",
)
_DAY_AND_MONTH = rf"^(?P<a>\d{{1,2}})[/-](?P<b>\d{{1,2}})[/-]{_Y}$"
#: Brackets, quotes and full stops around a date, as in lists of references.
_AROUND = r"""^[\s(\['"]+|[\s.,;:)\]'"]+$"""
_PARTS = ("y", "m", "d")


def dates(values: pa.StringArray) -> tuple[pa.StringArray, pa.StringArray]:
    """ISO dates. What may be two days, as 03/04/1998, and years of two digits are refused.

    >>> dates(pa.array(["4 March 1998", "1998-03-04T10:00:00Z", "25/12/2001", "1998"]))[0].to_pylist()
    ['1998-03-04', '1998-03-04', '2001-12-25', '1998']
    >>> [text[13:40] for text in dates(pa.array(["03/04/1998", "1998-02-30"]))[1].to_pylist()]
    ['may be either of two days; ', 'is no date that can be read']
    """
    written = pc.replace_substring_regex(pc.utf8_upper(values), _AROUND, "")
    for number, (start, rest) in enumerate(zip(_MONTHS, _REST, strict=True), 1):
        written = pc.replace_substring_regex(written, rf"(?i)\b{start}(?:{rest})?\b\.?", f"@{number:02d}")
    parts = _parts(written)
    year, month, day = (_whole(parts[name]) for name in _PARTS)
    swapped = pc.extract_regex(written, _DAY_AND_MONTH)
    a, b = (_whole(pc.struct_field(swapped, name)) for name in "ab")
    either = (a <= 12) & (b <= 12) & (a != b) & (a > 0) & (b > 0)
    clear = (a > 0) & (b > 0) & ~either
    year = np.where(clear, _whole(pc.struct_field(swapped, "y")), year)
    month, day = np.where(clear, np.minimum(a, b), month), np.where(clear, np.maximum(a, b), day)
    fine = _exist(year, month, day)
    problems = pc.coalesce(
        told(values, pa.array(either), "may be either of two days; write it as 1998-03-04"),
        told(values, pc.and_(pc.is_valid(values), pa.array(~fine)), "is no date that can be read"),
    )
    return _iso(year, month, day, fine), problems


def _parts(written: pa.StringArray) -> dict[str, pa.StringArray]:
    """Year, month and day as the first form that fits has them."""
    found = {name: pa.nulls(len(written), pa.string()) for name in _PARTS}
    for form in _FORMS:
        fitting = pc.extract_regex(written, f"(?i){form}")
        found = {n: pc.coalesce(values, pc.struct_field(fitting, n)) for n, values in found.items()}
    return found


def _whole(digits: pa.StringArray) -> np.ndarray:
    """Whole numbers (n); 0 where there are no digits."""
    empty = pc.or_kleene(pc.is_null(digits), pc.equal(digits, ""))
    numbers: np.ndarray = pc.if_else(empty, "0", digits).cast(pa.int64()).to_numpy(zero_copy_only=False)
    return numbers


def _exist(year: np.ndarray, month: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Whether there is such a day, month (day 0) or year (month 0)."""
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    lengths = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    known = (month >= 0) & (month <= 12)
    last = lengths[np.where(known, month, 0)] + (leap & (month == 2))
    exists: np.ndarray = (year > 0) & known & (day >= 0) & (day <= last)
    return exists


def _iso(year: np.ndarray, month: np.ndarray, day: np.ndarray, fine: np.ndarray) -> pa.StringArray:
    def padded(numbers: np.ndarray, width: int) -> pa.StringArray:
        return pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width, "0")

    years = padded(year, 4)
    months = pc.binary_join_element_wise(years, padded(month, 2), "-")
    whole = pc.binary_join_element_wise(months, padded(day, 2), "-")
    iso = pc.if_else(pa.array(day > 0), whole, pc.if_else(pa.array(month > 0), months, years))
    return pc.if_else(pa.array(fine), iso, None)
