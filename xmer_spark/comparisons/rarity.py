"""Terms as sparse rows, weighted by how rare they are, and what two rows share."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from xmer_spark.comparisons.strings import Terms

#: One more than the largest hash of a term.
_TERMS = 2**31 - 1


class Rarity(NamedTuple):
    """Inverse document frequencies (k,) float32 of terms (k,) int32, sorted; of any other ``highest``."""

    term: np.ndarray
    idf: np.ndarray
    highest: float

    @classmethod
    def of(cls, terms: Terms, count: np.ndarray, most: int) -> Rarity:
        """From the terms of distinct texts and how many records (n,) have each text.

        A term of one record is as rare as one that never was; of the others, the ``most`` most frequent
        are kept.
        """
        term, place = np.unique(terms.term, return_inverse=True)
        records = np.bincount(place, count[terms.text], len(term))
        total = float(count.sum())
        kept = np.flatnonzero(records > 1)
        kept = np.sort(kept[np.argsort(-records[kept], kind="stable")[:most]])
        return cls(term[kept], _idf(records[kept], total), float(_idf(np.ones(1), total)[0]))

    def weights(self, term: np.ndarray) -> np.ndarray:
        if not len(self.term):
            return np.full(len(term), self.highest, np.float32)
        place = np.minimum(np.searchsorted(self.term, term), len(self.term) - 1)
        return np.where(self.term[place] == term, self.idf[place], np.float32(self.highest))


def _idf(records: np.ndarray, total: float) -> np.ndarray:
    return np.log1p(total / records).astype(np.float32)


class Rows(NamedTuple):
    """A sparse matrix whose rows have length 1, the length (n,) that each had, and its terms (n,)."""

    matrix: Any
    norm: np.ndarray
    terms: np.ndarray

    @classmethod
    def of(cls, terms: Terms, rarity: Rarity, count: int, most: int) -> Rows:
        """Rows of ``count`` texts, each with its ``most`` rarest terms."""
        from scipy.sparse import csr_array

        text, term, weight = terms.text, terms.term, rarity.weights(terms.term)
        if len(text) and np.bincount(text).max() > most:
            order = np.lexsort((term, -weight, text))
            first = np.searchsorted(text, np.arange(count))
            kept = np.sort(order[np.arange(len(text)) - first[text] < most])
            text, term, weight = text[kept], term[kept], weight[kept]
        norm = np.sqrt(np.bincount(text, weight.astype(np.float64) ** 2, count))
        start = np.searchsorted(text, np.arange(count + 1)).astype(np.int32)
        matrix = csr_array((weight / norm[text], term, start), shape=(count, _TERMS), dtype=np.float32)
        return cls(matrix, norm.astype(np.float32), np.diff(start))


class Shared(NamedTuple):
    """What pairs of rows share (p,): the cosine, the weight of the rarest term, and how many terms."""

    cosine: np.ndarray
    rarest: np.ndarray
    terms: np.ndarray


def shared(left: Rows, right: Rows, x: np.ndarray, y: np.ndarray) -> Shared:
    """Of the pairs ``left[x]``, ``right[y]``; NaN where either has no terms."""
    products = left.matrix[x].multiply(right.matrix[y]).tocsr()
    missing = (left.terms[x] == 0) | (right.terms[y] == 0)
    terms = np.diff(products.indptr)
    cosine = np.where(missing, np.nan, _by_row(np.add, products, terms))
    # a product is the term's weight twice, divided by both lengths
    weight = np.sqrt(_by_row(np.maximum, products, terms) * left.norm[x] * right.norm[y])
    return Shared(np.minimum(cosine, 1), np.where(missing, np.nan, weight), terms)


def _by_row(reduce: np.ufunc, matrix: Any, terms: np.ndarray) -> np.ndarray:
    """Sums or greatest of the rows (p,) of a sparse matrix; 0 of a row without entries."""
    reduced = reduce.reduceat(np.append(matrix.data, np.float32(0)), matrix.indptr[:-1])
    reduced[terms == 0] = 0
    return np.asarray(reduced)
