"""Numbers as plain decimals: ``1.299,00 EUR`` and ``1299`` are the same."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from xmer_spark.sources.canonical.told import told

_CURRENCY = r"\p{Sc}|^(?:EUR|USD|GBP|CHF|JPY|CNY|INR|Rs\.?)\b|\b(?:EUR|USD|GBP|CHF|JPY|CNY|INR)$"
_ENDS = r"^\s+|[\s.,;:]+$"
_SPACED = r"^[+-]?\d{1,3}(?:[\s\p{Z}'’]\d{3})+(?:[.,]\d+)?$"
#: Commas part the thousands: three digits each, or two as in India, with a point or several commas to tell.
_COMMAS_PART = r"^[+-]?(?:\d{1,3}(?:,\d{3})+\.\d+|\d{1,3}(?:,\d{3}){2,}|\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?)$"
_POINTS_PART = r"^[+-]?(?:\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,})$"
_DECIMAL_COMMA = r"^[+-]?(?:\d*,(?:\d{1,2}|\d{4,})|0,\d+|\d{4,},\d{3})$"
_PLAIN = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,2})?$"
_EITHER = r"^[+-]?[1-9]\d{0,2},\d{3}$"


def numbers(values: pa.StringArray) -> tuple[pa.StringArray, pa.StringArray]:
    """Plain decimal strings, without needless zeros.

    Signs of currencies go, and so do separators of thousands where it is clear which they are. ``1,234``
    is refused: it may be 1234 or 1.234.

    >>> numbers(pa.array(["$1,299.00", "1.299,5", "-007.50", "1e3", "1995,"]))[0].to_pylist()
    ['1299', '1299.5', '-7.5', '1000', '1995']
    >>> [text and text[:20] for text in numbers(pa.array(["1,234", "twelve", None]))[1].to_pylist()]
    ["'1,234' may be a tho", "'twelve' is no numbe", None]
    """
    found = pc.replace_substring_regex(pc.replace_substring(values, "\u2212", "-"), _CURRENCY, "")
    found = pc.replace_substring_regex(found, _ENDS, "")
    found = _where(found, _SPACED, pc.replace_substring_regex(found, r"[\s\p{Z}'’]", ""))
    found = _where(found, _COMMAS_PART, pc.replace_substring(found, ",", ""))
    pointed = pc.replace_substring(pc.replace_substring(found, ".", ""), ",", ".")
    found = _where(found, _POINTS_PART, pointed)
    found = _where(found, _DECIMAL_COMMA, pc.replace_substring(found, ",", "."))
    either, plain = pc.match_substring_regex(found, _EITHER), pc.match_substring_regex(found, _PLAIN)
    problems = pc.coalesce(
        told(values, either, "may be a thousand and more, or a decimal; write it without the comma"),
        told(values, pc.invert(plain), "is no number"),
    )
    return _canonical(_without_exponent(pc.if_else(plain, found, None))), problems


def _where(values: pa.StringArray, expression: str, other: pa.StringArray) -> pa.StringArray:
    return pc.if_else(pc.match_substring_regex(values, expression), other, values)


def _without_exponent(values: pa.StringArray) -> pa.StringArray:
    """Decimals in place of powers of ten, which are rare."""
    powers = pc.match_substring(values, "e", ignore_case=True)
    if not pc.any(powers).as_py():
        return values
    written = [format(Decimal(value), "f") for value in values.filter(powers).to_pylist()]
    return pc.replace_with_mask(values, pc.fill_null(powers, False), pa.array(written, pa.string()))


def _canonical(values: pa.StringArray) -> pa.StringArray:
    for expression, replacement in (
        (r"^\+", ""),
        (r"^(-?)\.", r"\10."),  # the first group, then a zero
        (r"^(-?)0+(\d)", r"\1\2"),
        (r"(\.\d*?)0+$", r"\1"),
        (r"\.$", ""),
        (r"^-0$", "0"),
    ):
        values = pc.replace_substring_regex(values, expression, replacement)
    return values
