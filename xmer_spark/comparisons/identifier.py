"""Identifiers: serial and telephone numbers, codes, keys."""

from __future__ import annotations

import numpy as np

from xmer_spark.comparisons.base import Comparison, Prepared
from xmer_spark.comparisons.strings import hashes, normalised


class IdentifierComparison(Comparison):
    """Identifiers by their letters and digits, whatever stands between these.

    ``equal``; ``edit``, 1 less the edit distance (Levenshtein 1966) as a share of the longer one's length.
    """

    measures = ("equal", "edit")

    def _clean(self, value: str) -> str:
        return "".join(filter(str.isalnum, normalised(value)))

    def _prepare(self, values: list[str]) -> Prepared:
        return {"text": np.array(values, object), "hash": hashes(values)}

    def _compare(self, left: Prepared, right: Prepared, x: np.ndarray, y: np.ndarray) -> Prepared:
        from rapidfuzz.distance import Levenshtein
        from rapidfuzz.process import cpdist

        edit = cpdist(
            left["text"][x].tolist(),
            right["text"][y].tolist(),
            scorer=Levenshtein.normalized_similarity,
            dtype=np.float32,
            workers=1,
        )
        return {"equal": left["hash"][x] == right["hash"][y], "edit": edit}
