"""Texts and names: letters, words, n-grams and codes that two of them share."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from xmer_spark.comparisons.base import Comparison, Prepared
from xmer_spark.comparisons.rarity import Rarity, Rows, shared
from xmer_spark.comparisons.strings import Text, hashes, normalised


class TextComparison(Comparison):
    """Texts after normalisation, by letters and by terms weighted with how rare they are.

    ``equal``; ``jaro_winkler`` of the letters (Winkler 1990); ``token_set``, the share of the words of the
    text that has fewer which the other has, too; ``word_cosine`` and ``ngram_cosine`` of character 3- and
    4-grams, with inverse document frequency; ``codes``, the same cosine of what has digits, NaN where a text
    has none; ``rarest_shared``, the weight of the rarest word that both have, as a share of the highest;
    ``lengths``, the shorter one's as a share of the longer one's.
    """

    measures = (
        "equal",
        "jaro_winkler",
        "token_set",
        "word_cosine",
        "ngram_cosine",
        "codes",
        "rarest_shared",
        "lengths",
    )

    def __init__(
        self, vocabulary: int = 500_000, words: int = 64, ngrams: int = 64, letters: int = 64
    ) -> None:
        self.vocabulary = vocabulary
        self.words = words
        self.ngrams = ngrams
        self.letters = letters

    def _clean(self, value: str) -> str:
        return normalised(value)

    def _fit(self, values: list[str], count: np.ndarray) -> None:
        text = Text(values)
        self.words_ = Rarity.of(text.words(), count, self.vocabulary).state()
        self.ngrams_ = Rarity.of(text.ngrams((3, 4)), count, self.vocabulary).state()
        self.codes_ = Rarity.of(text.codes(), count, self.vocabulary).state()

        vars(self).pop("_rarity", None)

    @cached_property
    def _rarity(self) -> dict[str, Rarity]:
        """What was learnt of each kind of terms, put in order once."""
        learnt = {"words": self.words_, "ngrams": self.ngrams_, "codes": self.codes_}
        return {kind: Rarity(**state) for kind, state in learnt.items()}

    def _prepare(self, values: list[str]) -> Prepared:
        text, count = Text(values), len(values)
        return {
            "text": np.array([value[: self.letters] for value in values], object),
            "length": np.array([len(value) for value in values], np.float32),
            "hash": hashes(values),
            "words": Rows.of(text.words(), self._rarity["words"], count, self.words),
            "ngrams": Rows.of(text.ngrams((3, 4)), self._rarity["ngrams"], count, self.ngrams),
            "codes": Rows.of(text.codes(), self._rarity["codes"], count, self.words),
        }

    def _compare(self, left: Prepared, right: Prepared, x: np.ndarray, y: np.ndarray) -> Prepared:
        from rapidfuzz.distance import JaroWinkler
        from rapidfuzz.process import cpdist

        words = shared(left["words"], right["words"], x, y)
        fewer = np.minimum(left["words"].terms[x], right["words"].terms[y])
        one, two = left["length"][x], right["length"][y]
        letters = cpdist(
            left["text"][x].tolist(),
            right["text"][y].tolist(),
            scorer=JaroWinkler.similarity,
            dtype=np.float32,
            workers=1,
        )
        return {
            "equal": left["hash"][x] == right["hash"][y],
            "jaro_winkler": letters,
            "token_set": np.where(fewer > 0, words.terms / np.maximum(fewer, 1), np.nan),
            "word_cosine": words.cosine,
            "ngram_cosine": shared(left["ngrams"], right["ngrams"], x, y).cosine,
            "codes": shared(left["codes"], right["codes"], x, y).cosine,
            "rarest_shared": np.minimum(words.rarest / self.words_["highest"], 1),
            "lengths": np.minimum(one, two) / np.maximum(one, two),
        }
