"""Which blockers of records to use: what each would propose and keep at full size, predicted from a sample.

Pure functions of a sample of the records and of true pairs in it: labelled ones, or without labels those that
the evidence itself holds for certain (``certain``).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from math import sqrt
from typing import NamedTuple

import numpy as np

from xmer_spark.blocking.records import REGISTRY
from xmer_spark.blocking.records.base import Fields, RecordBlocker, Records, text_columns
from xmer_spark.blocking.records.certain import certain_pairs
from xmer_spark.blocking.records.joint import all_pairs, marked
from xmer_spark.blocking.records.text import hashed, normalised

#: Seconds of one core to compare a candidate.
_COMPARED = 1e-6
#: Candidates per record, and seconds of one core, that are so few that there is nothing to be spared.
_FEW, _SOON = 30, 4.0
#: Blockers of a list, at most: more are hardly ever worth their overlap.
_LISTED = 3


#: What a list of blockers is like, the best first, and how that is told.
_LITTLE, _ENOUGH, _SHORT = range(3)
_VERDICTS = (
    "keeps most of what costs little",
    "is the cheapest that keeps enough",
    "keeps most, but less than wanted",
)


class Sample(NamedTuple):
    """Records drawn from two sides of ``left_size`` and ``right_size``, and true pairs as positions in them.

    Draw true pairs with both of their records. Without ``truth`` the certain pairs are taken. Without
    ``right`` it is one source with itself. ``together`` are all pairs of which drawing one record drew the
    other, where that are more than ``truth``.
    """

    left: Records
    right: Records | None
    left_size: int
    right_size: int
    truth: tuple[np.ndarray, np.ndarray] | None = None
    together: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def other(self) -> Records:
        return self.left if self.right is None else self.right

    @property
    def share(self) -> float:
        """The share of the records that was drawn, in the geometric mean of both sides."""
        drawn = len(self.left.keys) * len(self.other.keys)
        return sqrt(drawn / max(1, self.left_size * self.right_size))

    def true_pairs(self) -> np.ndarray:
        """The true pairs as one number each: (p) int64, sorted."""
        return self._numbered(*(certain_pairs(self.left, self.right) if self.truth is None else self.truth))

    def pairs_in_all(self, found: np.ndarray) -> float:
        """How many pairs of all records stand behind so many of the sample, by their numbers (p).

        There are as many times more pairs as the share that was drawn of either side makes them; but of
        those that were drawn together only as many times more as there are records.
        """
        drawn = self.together or self.truth
        linear = 0 if drawn is None else int(np.isin(found, self._numbered(*drawn)).sum())
        share = max(self.share, 1e-9)
        return (len(found) - linear) / share**2 + linear / share

    def _numbered(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        if self.right is None:  # as blockers name them: the lesser key first
            swapped = self.left.keys[i] > self.left.keys[j]
            i, j = np.where(swapped, j, i), np.where(swapped, i, j)
        return np.unique(self.numbers(i, j))

    def numbers(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        return i.astype(np.int64) * len(self.other.keys) + j


class Prediction(NamedTuple):
    """Candidate pairs at full size, the share of the true pairs kept and which, seconds of one core."""

    pairs: float
    recall: float
    seconds: float
    kept: np.ndarray


class Choice(NamedTuple):
    """The names of the chosen blockers in their order, why, and what was predicted of each option."""

    names: list[str]
    reason: str
    predictions: dict[str, Prediction]


def options(left: Records, right: Records | None = None) -> dict[str, RecordBlocker]:
    """What is worth a try on two sources, or one with itself, by the method's name and a number."""
    fields = shared_fields(left, left if right is None else right)
    found: dict[str, RecordBlocker] = {}
    for name in sorted(REGISTRY.methods):
        for number, blocker in enumerate(REGISTRY.method(name).options(fields)):
            if blocker.symmetric or right is not None:
                found[f"{name} {number}"] = blocker
    return found


def shared_fields(left: Records, right: Records) -> Fields:
    """What records of both sides can be compared by."""
    there = set(text_columns(right.table))
    texts = [column for column in text_columns(left.table) if column in there]
    coded = [[c for c in side.table.column_names if c.endswith("/code")] for side in (left, right)]
    pairs = [a if a == b else f"{a}~{b}" for a in coded[0] for b in coded[1]]
    return Fields(texts, [_agreement(left, right, column) for column in texts], pairs)


def predict(blocker: RecordBlocker, sample: Sample, true: np.ndarray) -> Prediction:
    """What ``blocker`` would cost at full size, and what it keeps of the true pairs (``Sample.true_pairs``).

    In a sample a record has fewer rivals, so a blocker that ranks them is made as much stricter.
    """
    thin = blocker.thinned(sample.share).fit(sample.left, sample.other)
    pairs = all_pairs([thin], sample.left, sample.right)
    found = sample.numbers(pairs.left, pairs.right)
    kept = np.isin(true, found)
    growth = max(sample.share, 1e-9) ** -2
    # What keeps a number of pairs per record keeps that many, whichever they are.
    expected = sample.pairs_in_all(found) if thin is blocker else len(found) * growth
    searched = thin.search_seconds(*marked(thin, sample.left, sample.other), growth)
    recall = float(kept.mean()) if len(kept) else float("nan")
    return Prediction(expected, recall, expected * _COMPARED + searched, kept)


def choose(
    blockers: Mapping[str, RecordBlocker], sample: Sample, target_recall: float, max_pairs: float
) -> Choice:
    """The cheapest list of blockers that together keep the wanted share of the true pairs of the sample.

    Where such a list costs little, it is the one of those that cost little which keeps most. What several
    propose is counted for each of them. Where no list within ``max_pairs`` candidates keeps so much, it is
    the one that keeps most, and the reason says so.
    """
    true = sample.true_pairs()
    predictions = {name: predict(blocker, sample, true) for name, blocker in blockers.items()}
    judged = f"{len(true):,} {'certain' if sample.truth is None else 'labelled'} pairs"
    affordable = {name: p for name, p in predictions.items() if p.pairs <= max_pairs}
    if not affordable or not len(true):
        lack = (
            "no pairs to judge recall by"
            if affordable
            else f"no blocker proposes at most {max_pairs:,.0f} pairs"
        )
        return Choice([], f"{lack}; name the blockers in the configuration", predictions)
    few = _FEW * (sample.left_size + sample.right_size)
    best: tuple[int, float, float, list[str]] | None = None
    for listed in _lists(affordable):
        each = [affordable[name] for name in listed]
        pairs = sum(p.pairs for p in each)
        if pairs > max_pairs:
            continue
        recall = float(np.logical_or.reduce([p.kept for p in each]).mean())
        seconds = sum(p.seconds for p in each)
        little = pairs <= few and seconds <= _SOON
        grade = _SHORT if recall < target_recall else _LITTLE if little else _ENOUGH
        rank = (
            grade,
            0.0 if grade == _ENOUGH else -recall,
            seconds,
            sorted(listed, key=lambda n: (affordable[n].seconds, n)),
        )
        best = rank if best is None else min(best, rank)
    assert best is not None
    chosen = best[3]
    recall = float(np.logical_or.reduce([affordable[name].kept for name in chosen]).mean())
    verdict = _VERDICTS[best[0]]
    reason = f"{', '.join(chosen)} {verdict}: {recall:.3f} of {judged} (wanted {target_recall:g})"
    return Choice(chosen, reason, predictions)


def _lists(predictions: Mapping[str, Prediction]) -> list[tuple[str, ...]]:
    """The lists of a few blockers, but for those that another one makes superfluous."""
    names = [
        name
        for name, p in predictions.items()
        if not any(_better(o, other, p, name) for other, o in predictions.items() if other != name)
    ]
    return [names_ for size in range(1, _LISTED + 1) for names_ in combinations(names, size)]


def _better(a: Prediction, a_name: str, b: Prediction, b_name: str) -> bool:
    """Whether a keeps all that b keeps, for less; of equals the first by name."""
    return not (b.kept & ~a.kept).any() and (a.seconds, a_name) < (b.seconds, b_name)


def _agreement(left: Records, right: Records, column: str) -> float:
    """How often a left and a right record that have a value in this column have the same one."""
    sides = []
    for records in (left, right):
        values = normalised(records.table[column]).drop_null()
        sides.append((*np.unique(hashed(values), return_counts=True), len(values)))
    (a, of_a, size_a), (b, of_b, size_b) = sides
    _, i, j = np.intersect1d(a, b, assume_unique=True, return_indices=True)
    return float((of_a[i] * of_b[j]).sum() / size_a / size_b) if size_a and size_b else 1.0
