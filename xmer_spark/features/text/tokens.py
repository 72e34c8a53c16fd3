"""Texts -> words: the one place that tokenises, and vocabularies made of what it gives."""

from __future__ import annotations

import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.features.base import Extractor
from xmer_spark.schema import Modality


def words(text: str) -> list[str]:
    """The words of a text in their order, lower-cased, in Unicode's compatibility form (NFKC).

    A word is a run of letters, marks and digits; runs of Chinese characters are segmented by jieba.
    Scripts that write no spaces are otherwise not segmented: a run of Thai is one word.

    >>> words("Stephen's 2 CAFÉS, l'été_01")
    ['stephen', 's', '2', 'cafés', 'l', 'été', '01']
    >>> words("北京大学 in Beijing")
    ['北京大学', 'in', 'beijing']
    """
    found: list[str] = []
    for run in _runs().finditer(unicodedata.normalize("NFKC", text).lower()):
        found.extend(_segmenter().cut(run[0]) if run.lastgroup == "chinese" else [run[0]])
    return found


def is_chinese(word: str) -> bool:
    """Whether a word of ``words`` is written in Chinese characters."""
    run = _runs().match(word)
    return run is not None and run.lastgroup == "chinese"


@lru_cache(maxsize=1)
def _runs() -> Any:
    import regex  # knows scripts, and that combining marks belong to words; the standard library does not

    return regex.compile(r"(?V1)(?P<chinese>\p{Han}+)|[\w--[\p{Han}_]]+")


@lru_cache(maxsize=1)
def _segmenter() -> Any:
    """jieba with its own dictionary, read directly.

    Its usual way logs to stderr and keeps a copy in a folder for temporary files, which others may write.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the age of jieba's code
        import jieba

    segmenter = jieba.Tokenizer()
    segmenter.FREQ, segmenter.total = segmenter.gen_pfdict(segmenter.get_dict_file())
    segmenter.initialized = True
    return segmenter


class WordExtractor(Extractor):
    """An extractor that sees a text as its words."""

    content = "text"
    modality: Modality = "text"
    lookahead = 16

    def prepare(self, value: str) -> list[str]:
        return words(value)

    def vocabulary_of(
        self, texts: Sequence[Sequence[str]], size: int, min_texts: int = 1, max_share: float = 1.0
    ) -> list[str]:
        """``vocabulary`` of these texts; an XmerError where no word is left."""
        chosen = vocabulary(texts, size, min_texts, max_share)
        if not chosen:
            raise XmerError(
                f"features.{self.name}: none of the {len(texts)} training texts has a word that occurs in "
                f"at least {min_texts} of them and in no more than {max_share:.0%}"
            )
        return chosen


def vocabulary(
    texts: Sequence[Sequence[str]], size: int, min_texts: int = 1, max_share: float = 1.0
) -> list[str]:
    """The ``size`` most frequent words, sorted, of those in ``min_texts`` up to a share of the texts.

    >>> vocabulary([["a", "b", "b"], ["a", "c"], ["a", "b"]], size=2, max_share=0.9)
    ['b', 'c']
    """
    total = Counter(chain.from_iterable(texts))
    spread = Counter(chain.from_iterable(set(text) for text in texts))
    kept = [word for word, n in spread.items() if min_texts <= n <= max_share * len(texts)]
    return sorted(sorted(kept, key=lambda word: (-total[word], word))[:size])


def counts(texts: Iterable[Sequence[str]], vocabulary: Sequence[str]) -> Any:
    """n texts -> (n, words) sparse float64: how often each word of the vocabulary occurs in each."""
    from scipy.sparse import csr_array

    column = {word: i for i, word in enumerate(vocabulary)}
    indices: list[int] = []
    ends = [0]
    for text in texts:
        indices.extend(column[word] for word in text if word in column)
        ends.append(len(indices))
    matrix = csr_array((np.ones(len(indices)), indices, ends), shape=(len(ends) - 1, len(column)))
    matrix.sum_duplicates()
    return matrix
