"""Columns of bytes -> strings: decoded, in Unicode's form C, and missing where a null marker stands."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

#: Signs that no one sees: soft hyphens, joiners of graphemes and words, zero-width spaces, marks and
#: embeddings of direction, invisible operators, byte order marks.
_UNSEEN = (
    r"[\x{ad}\x{34f}\x{61c}\x{180e}\x{200b}\x{200e}\x{200f}\x{202a}-\x{202e}\x{2060}-\x{2064}"
    r"\x{2066}-\x{206f}\x{feff}]"
)
#: At the ends joiners are as unseen; within, they make one sign of several emoji.
_ENDS = r"^[\s\p{Z}\p{Cc}\x{200c}\x{200d}]+|[\s\p{Z}\p{Cc}\x{200c}\x{200d}]+$"
_SPACES = r"[\s\p{Z}]+"


@dataclass(frozen=True)
class Strings:
    """A column of n values: ``tidy`` without what nobody sees at its ends, ``whole`` as it stood.

    Both are null where a value is missing. ``marked`` says where a null marker stood rather than nothing;
    ``damaged`` where the bytes are no UTF-8.
    """

    tidy: pa.StringArray
    whole: pa.StringArray
    marked: pa.BooleanArray
    damaged: np.ndarray


def read_strings(values: pa.BinaryArray, null_values: Sequence[str]) -> Strings:
    """A column of bytes as strings.

    >>> found = read_strings(pa.array([b" A1 ", b"N/A", b""]), ["n/a"])
    >>> found.tidy.to_pylist(), found.marked.to_pylist()
    (['A1', None, None], [False, True, False])
    """
    decoded, damaged = _decoded(values)
    whole = _composed(pc.replace_substring_regex(decoded, r"^\x{feff}", ""))
    tidy = tidied(whole)
    blank = pc.equal(tidy, "")
    marked = pc.and_not(is_marker(tidy, null_values), blank)
    missing = pc.or_(blank, marked)
    return Strings(
        pc.if_else(missing, None, tidy),
        pc.if_else(missing, None, whole),
        pc.fill_null(marked, False),
        damaged,
    )


def is_marker(values: pa.StringArray, null_values: Sequence[str]) -> pa.BooleanArray:
    """Where tidy strings are null markers, whatever the case of their letters."""
    markers = pa.array(sorted({marker.lower() for marker in null_values}), pa.string())
    return pc.is_in(pc.utf8_lower(values), value_set=markers)


def tidied(values: pa.StringArray) -> pa.StringArray:
    """Without white space at the ends, and without signs that nobody sees."""
    return pc.replace_substring_regex(pc.replace_substring_regex(values, _UNSEEN, ""), _ENDS, "")


def single_spaced(values: pa.StringArray) -> pa.StringArray:
    """With one space wherever there is white space.

    >>> single_spaced(pa.array(["a \\n b"])).to_pylist()
    ['a b']
    """
    return pc.replace_substring_regex(values, _SPACES, " ")


def _composed(values: pa.StringArray) -> pa.StringArray:
    """In Unicode's form C. Arrow's own function leaves accents apart, so those that have some go singly."""
    accented = pc.fill_null(pc.invert(pc.string_is_ascii(values)), False)
    if not pc.any(accented).as_py():
        return values
    composed = [unicodedata.normalize("NFC", value) for value in values.filter(accented).to_pylist()]
    return pc.replace_with_mask(values, accented, pa.array(composed, pa.string()))


def _decoded(values: pa.BinaryArray) -> tuple[pa.StringArray, np.ndarray]:
    """The strings, null where the bytes are no UTF-8, and where that is."""
    try:
        return values.cast(pa.string()), np.zeros(len(values), bool)
    except pa.ArrowInvalid:  # rare: which ones it is, only trying each can tell
        damaged = np.array([not _is_utf8(value) for value in values.to_pylist()])
        return pc.if_else(pa.array(damaged), None, values).cast(pa.string()), damaged


def _is_utf8(value: bytes | None) -> bool:
    try:
        (value or b"").decode()
    except UnicodeDecodeError:
        return False
    return True
