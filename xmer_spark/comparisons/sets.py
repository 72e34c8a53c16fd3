"""Sets of strings: authors, tags, keys of other records."""

from __future__ import annotations

import json

import numpy as np

from xmer_spark.comparisons.base import Comparison, Prepared
from xmer_spark.comparisons.strings import hashes, normalised


class SetComparison(Comparison):
    """Sets written as JSON arrays of strings; what is none, or empty, is missing.

    ``jaccard``: elements of both as a share of those of either. ``contained``: as a share of the smaller
    set's. ``soft_jaccard``: an element counts as shared as far as it is like the other set's likest one by
    Jaro-Winkler, from ``least`` on (after soft TF-IDF, Cohen, Ravikumar and Fienberg 2003).
    """

    measures = ("jaccard", "contained", "soft_jaccard")

    def __init__(self, least: float = 0.85) -> None:
        self.least = least

    def _clean(self, value: str) -> str:
        return json.dumps(_elements(value), ensure_ascii=False) if _elements(value) else ""

    def _prepare(self, values: list[str]) -> Prepared:
        sets = [json.loads(value) for value in values]
        size = np.array([len(elements) for elements in sets], np.int64)
        elements = [element for one in sets for element in one]
        return {
            "size": size,
            "start": np.cumsum(size) - size,
            "element": np.array(elements, object),
            "hash": hashes(elements),
        }

    def _compare(self, left: Prepared, right: Prepared, x: np.ndarray, y: np.ndarray) -> Prepared:
        one, two = left["size"][x], right["size"][y]
        pair, a, b = _every_two(left["start"][x], one, right["start"][y], two)
        equal = left["hash"][a] == right["hash"][b]
        alike = np.where(equal, 1.0, self._alike(left["element"], right["element"], a, b))
        shared = np.bincount(pair, equal, len(x))
        soft = (_likest(pair, a, alike, len(x)) + _likest(pair, b, alike, len(x))) / 2
        return {
            "jaccard": shared / (one + two - shared),
            "contained": shared / np.minimum(one, two),
            "soft_jaccard": soft / (one + two - soft),
        }

    def _alike(self, left: np.ndarray, right: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """How alike elements are, 0 below the least; every two of them are looked at once."""
        from rapidfuzz.distance import JaroWinkler
        from rapidfuzz.process import cpdist

        key, place = np.unique(a * len(right) + b, return_inverse=True)
        one, two = np.divmod(key, len(right))
        alike = cpdist(
            left[one].tolist(),
            right[two].tolist(),
            scorer=JaroWinkler.similarity,
            score_cutoff=self.least,
            dtype=np.float32,
            workers=1,
        )
        return np.asarray(alike)[place]


def _elements(value: str) -> list[str]:
    """The distinct elements, normalised and sorted; none of what is no array of strings.

    >>> _elements('["Ada Lovelace", "ada  lovelace", ""]'), _elements("Ada")
    (['ada lovelace'], [])
    """
    try:
        found = json.loads(value)
    except ValueError:
        return []
    strings = isinstance(found, list) and all(isinstance(element, str) for element in found)
    return sorted({normalised(element) for element in found} - {""}) if strings else []


def _every_two(
    start: np.ndarray, size: np.ndarray, other_start: np.ndarray, other_size: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every two elements of two sets (p,): the number of the pair of sets, and the elements."""
    count = size * other_size
    pair = np.repeat(np.arange(len(size)), count)
    a, b = np.divmod(np.arange(len(pair)) - (np.cumsum(count) - count)[pair], other_size[pair])
    return pair, start[pair] + a, other_start[pair] + b


def _likest(pair: np.ndarray, element: np.ndarray, alike: np.ndarray, pairs: int) -> np.ndarray:
    """By pair, the sum over one side's elements of how alike the other side's likest is."""
    order = np.lexsort((alike, element, pair))
    pair, element = pair[order], element[order]
    last = np.r_[(np.diff(pair) != 0) | (np.diff(element) != 0), np.ones(min(len(pair), 1), bool)]
    return np.bincount(pair[last], alike[order][last], pairs)
