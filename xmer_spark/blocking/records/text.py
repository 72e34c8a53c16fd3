"""Columns of text as what blockers compare: normalised strings, and tokens as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xmer_spark.numerics.mixing import mix

if TYPE_CHECKING:
    import pyarrow as pa

_NOT_A_WORD = r"[^\p{L}\p{M}\p{N}]+"
#: What ends a code: its own hyphens and dots do not.
_BETWEEN_CODES = r"[\s/,;|()\[\]{}\"]+"


class Tokens(NamedTuple):
    """The distinct tokens of n records: which record (t) int64, sorted, and the token's number (t) uint64."""

    record: np.ndarray
    number: np.ndarray


def normalised(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Compatible characters made one (NFKC), lower case, runs of white space one space, none at the ends.

    Missing stays missing.

    >>> import pyarrow as pa
    >>> normalised(pa.array(["  The\\u00a0ﬁrst  Name ", None])).to_pylist()
    ['the first name', None]
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    # Lower case may undo what NFKC composed, so that comes last.
    text = pc.utf8_normalize(pc.utf8_lower(column.cast(pa.string())), form="NFKC")
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(text, pattern=r"\s+", replacement=" "))


def hashed(strings: pa.Array) -> np.ndarray:
    """A number for each string, the same on every machine: (n) uint64. Missing ones count as empty."""
    import pandas as pd
    import pyarrow.compute as pc

    values = pc.fill_null(strings, "").to_numpy(zero_copy_only=False)
    return np.asarray(pd.util.hash_array(values, categorize=False), np.uint64)


def tokens(columns: Sequence[pa.Array], grams: int) -> Tokens:
    """The distinct tokens of records, given as normalised columns of n strings each.

    Tokens are the words, and what has a digit without the signs inside it: ``PS-LX350H`` is the words ``ps``
    and ``lx350h`` and the code ``pslx350h``. With ``grams``, runs of so many characters inside words, too.
    """
    records, numbers = [np.empty(0, np.int64)], [np.empty(0, np.uint64)]
    for column in columns:
        found = [_words(column), _codes(column)]
        if grams:
            found.append(_grams(column, grams))
        for record, number in found:
            records.append(record)
            numbers.append(number)
    return _distinct(np.concatenate(records), np.concatenate(numbers))


def codes(columns: Sequence[pa.Array], length: int) -> Tokens:
    """The distinct codes of at least ``length`` signs that have a letter, too; columns as in ``tokens``."""
    import pyarrow.compute as pc

    records, numbers = [np.empty(0, np.int64)], [np.empty(0, np.uint64)]
    for column in columns:
        record, pieces = _code_strings(column)
        letters = pc.match_substring_regex(pieces, r"\p{L}")
        kept = pc.and_(letters, pc.greater_equal(pc.utf8_length(pieces), length))
        records.append(record[kept.to_numpy(zero_copy_only=False)])
        numbers.append(_hashed_once(pieces.filter(kept)))
    return _distinct(np.concatenate(records), np.concatenate(numbers))


def _words(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    record, words = _split(column, _NOT_A_WORD)
    return record, _hashed_once(words)


def _codes(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    record, codes = _code_strings(column)
    return record, _hashed_once(codes)


def _code_strings(column: pa.Array) -> tuple[np.ndarray, pa.Array]:
    """What has a digit, and whose it is: its signs are taken out, for they are written or not."""
    import pyarrow.compute as pc

    record, pieces = _split(column, _BETWEEN_CODES)
    coded = pc.match_substring_regex(pieces, r"\p{N}")
    codes = pc.replace_substring_regex(pieces.filter(coded), pattern=_NOT_A_WORD, replacement="")
    return record[coded.to_numpy(zero_copy_only=False)], codes


def _split(column: pa.Array, pattern: str) -> tuple[np.ndarray, pa.Array]:
    """The pieces of each string that are not empty, and whose they are."""
    import pyarrow.compute as pc

    pieces = pc.split_pattern_regex(pc.fill_null(column, ""), pattern=pattern)
    record = pc.list_parent_indices(pieces).to_numpy().astype(np.int64)
    flat = pc.list_flatten(pieces)
    full = pc.greater(pc.utf8_length(flat), 0)
    return record[full.to_numpy(zero_copy_only=False)], flat.filter(full)


def _hashed_once(strings: pa.Array) -> np.ndarray:
    """The number of each string; most occur often."""
    encoded = strings.dictionary_encode()
    return hashed(encoded.dictionary)[encoded.indices.to_numpy()]


def _grams(column: pa.Array, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Every run of ``length`` characters of a word with a space at either end, by its characters' numbers."""
    import pyarrow.compute as pc

    text = pc.replace_substring_regex(pc.fill_null(column, ""), pattern=_NOT_A_WORD, replacement=" ")
    text = pc.binary_join_element_wise("", text, "", " ")
    size = pc.utf8_length(text).to_numpy().astype(np.int64)
    character = np.frombuffer("".join(text.to_pylist()).encode("utf-32-le"), np.uint32).astype(np.uint64)
    record = np.repeat(np.arange(len(size)), size)
    count = max(0, len(character) - length + 1)
    number = np.full(count, length, np.uint64)
    inside = np.ones(count, bool)
    for k in range(length):
        part = character[k : k + count]
        number = mix(number ^ part, k + 1)
        if 0 < k < length - 1:
            inside &= part != ord(" ")
    inside &= record[:count] == record[length - 1 : length - 1 + count]
    return record[:count][inside], number[inside]


def _distinct(record: np.ndarray, number: np.ndarray) -> Tokens:
    order = np.lexsort((number, record))
    record, number = record[order], number[order]
    new = np.ones(len(record), bool)
    new[1:] = (np.diff(record) != 0) | (number[1:] != number[:-1])
    return Tokens(record[new], number[new])
