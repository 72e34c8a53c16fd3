"""Measures of one attribute, which hang together, as one level of agreement."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: Shares of the pairs that lie below the cuts between levels: finer where matches are, among the most alike.
SHARES = (0.1, 0.25, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)
#: Halvings of the share of pairs that are as much alike, and steps for each: a scale of surprise in bits.
_BITS, _STEPS = 14, 4


#: What measures of one text look at; any other measure looks at something of its own.
_LOOK_AT = {
    **dict.fromkeys(("equal", "jaro_winkler", "lengths"), "letters"),
    **dict.fromkeys(("token_set", "word_cosine", "rarest_shared"), "words"),
}


def attributes(names: Sequence[str], present: Sequence[bool]) -> list[list[int]]:
    """The columns of each attribute of which there is any evidence.

    Attributes are told by the part of a name before the slash. A single one says too little of two classes
    to tell them apart, so there what its measures look at counts instead: letters, words, and so on.

    >>> names = ["name~name/equal", "price~price/near", "name~name/codes"]
    >>> attributes(names, [True, True, True]), attributes(names, [True, False, True])
    ([[0, 2], [1]], [[0], [2]])
    """
    found = [column for column, there in enumerate(present) if there]
    by_name: dict[str, list[int]] = {}
    for column in found:
        by_name.setdefault(names[column].rpartition("/")[0] or names[column], []).append(column)
    if len(by_name) > 1:
        return list(by_name.values())
    by_measure: dict[str, list[int]] = {}
    for column in found:
        measure = names[column].rpartition("/")[2]
        by_measure.setdefault(_LOOK_AT.get(measure, measure), []).append(column)
    return list(by_measure.values())


def scale(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The values (k,) that ever fewer of the pairs reach: ``surprise`` reads from it."""
    present = ~np.isnan(values)
    order = np.argsort(values[present], kind="stable")
    ranked, below = values[present][order], np.cumsum(weight[present][order])
    if not len(ranked):
        return np.zeros(_BITS * _STEPS + 1, np.float32)
    reach = 1 - 2.0 ** (-np.arange(_BITS * _STEPS + 1) / _STEPS)
    place = np.searchsorted(below, reach * below[-1], side="right")
    return ranked[np.minimum(place, len(ranked) - 1)].astype(np.float32)


def surprise(values: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Bits: minus the binary logarithm of the share of pairs that are at least as much alike; NaN stays."""
    bits = np.minimum(np.searchsorted(scale, values), len(scale) - 1) / np.float32(_STEPS)
    return np.where(np.isnan(values), np.float32(np.nan), bits.astype(np.float32))


def fused(evidence: np.ndarray, columns: Sequence[int], scales: np.ndarray) -> np.ndarray:
    """One agreement (p,) of an attribute: the mean surprise of those of its measures that there are."""
    total, present = np.zeros(len(evidence), np.float32), np.zeros(len(evidence), np.float32)
    for column in columns:
        bits = surprise(evidence[:, column], scales[column])
        there = ~np.isnan(bits)
        total[there] += bits[there]
        present += there
    return np.divide(total, present, out=np.full(len(total), np.nan, np.float32), where=present > 0)


def cuts(agreement: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Distinct cuts between levels, so that every level has pairs."""
    present = ~np.isnan(agreement)
    order = np.argsort(agreement[present], kind="stable")
    ranked, below = agreement[present][order], np.cumsum(weight[present][order])
    if not len(ranked):
        return np.zeros(0, np.float32)
    place = np.searchsorted(below, np.array(SHARES) * below[-1], side="right")
    found = np.unique(ranked[np.minimum(place, len(ranked) - 1)])
    return found[found > ranked[0]]


def level(agreement: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """(p,) from 0 to ``len(cuts)``; -1 where there is no agreement to speak of."""
    return np.where(np.isnan(agreement), -1, np.searchsorted(cuts, agreement, side="right"))
