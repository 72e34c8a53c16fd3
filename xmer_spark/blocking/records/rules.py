"""Equal keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

import numpy as np

from xmer_spark.blocking.base import TILE, Side
from xmer_spark.blocking.join import bucket_join
from xmer_spark.blocking.records.base import (
    Fields,
    Pairs,
    Prepared,
    RecordBlocker,
    Records,
    check_columns,
    column_of,
)
from xmer_spark.blocking.records.keys import Key, key
from xmer_spark.blocking.records.text import hashed
from xmer_spark.errors import ConfigError
from xmer_spark.numerics.mixing import mix, share

_SAME = np.zeros(1, np.uint64)
#: Chance agreements of a field from which on it is no key, and the parts of a value that are tried as keys.
_TELLING, _PARTS = 0.01, ("text", "first5", "digits")


class Buckets(NamedTuple):
    """By rule and record, the number of its keys, and whether it has them all: (n, rules) each."""

    number: np.ndarray
    there: np.ndarray


class Rules(RecordBlocker):
    """A pair is a candidate if it agrees in every key of one of several rules.

    A rule is a list of key expressions (``keys``). A record that lacks one of them is not proposed by that
    rule. Of all rules in which a pair agrees the first one makes it.
    """

    def __init__(self, rules: Sequence[Sequence[str]] = ()) -> None:
        self.rules = rules

    @classmethod
    def options(cls, fields: Fields) -> list[Self]:
        """Each field that tells records apart: as it is, and by what survives other spellings of it."""
        telling = [f for f, chance in zip(fields.texts, fields.agreement, strict=True) if chance < _TELLING]
        found = [cls([[f if part == "text" else f"{f}:{part}"]]) for f in telling for part in _PARTS]
        return [*found, *(cls([[f] for f in telling]) for _ in telling[:1])]

    def columns(self, side: Side, available: Sequence[str]) -> list[str]:
        wanted = sorted({column_of(side, k.field) for rule in self._rules() for k in rule})
        check_columns(wanted, available)
        return wanted

    def prepare(self, side: Side, records: Records, marks: np.ndarray | None = None) -> Prepared:
        rules = self._rules()
        number = np.zeros((len(rules), len(records.keys)), np.uint64)
        there = np.ones(number.shape, bool)
        for row, rule in enumerate(rules):
            for k in rule:
                found = k.of(side, records.table)
                number[row] = mix(number[row] ^ hashed(found), row)
                there[row] &= found.is_valid().to_numpy(zero_copy_only=False)
        return Prepared(records.keys, Buckets(number, there))

    def take(self, records: Prepared, positions: np.ndarray) -> Prepared:
        made = Buckets(*(array[:, positions] for array in records.made))
        return Prepared(records.keys[positions], made)

    def destinations(self, side: Side, records: Prepared, partitions: int) -> np.ndarray:
        reached = np.zeros((partitions, len(records.keys)), bool)
        for number, there in zip(*records.made, strict=True):
            rows = np.flatnonzero(there)
            reached[share(number[rows], partitions), rows] = True
        return reached.T

    def local_pairs(
        self, left: Prepared, right: Prepared, partition: int, partitions: int
    ) -> Iterator[Pairs]:
        for rule in range(len(left.made.number)):
            mine, theirs = (
                np.flatnonzero(made.there[rule] & (share(made.number[rule], partitions) == partition))
                for made in (left.made, right.made)
            )
            a, b = left.made.number[rule, mine], right.made.number[rule, theirs]
            for i, j in bucket_join(a, b, _SAME, TILE):
                i, j = mine[i].astype(np.int32), theirs[j].astype(np.int32)
                new = ~_agree(left.made, right.made, i, j, rule)
                yield i[new], j[new]

    def pairs(self, left: Prepared, right: Prepared) -> Iterator[Pairs]:
        return self.local_pairs(left, right, 0, 1)

    def meets(self, left: Prepared, right: Prepared, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        return _agree(left.made, right.made, i, j, len(left.made.number))

    @property
    def symmetric(self) -> bool:  # type: ignore[override]
        return not any("~" in k.field for rule in self._rules() for k in rule)

    def _rules(self) -> list[list[Key]]:
        if not self.rules or not all(self.rules):
            raise ConfigError("blocking.rules: needs a list of rules, each a list of keys that must agree")
        return [[key(expression) for expression in rule] for rule in self.rules]


def _agree(left: Buckets, right: Buckets, i: np.ndarray, j: np.ndarray, rules: int) -> np.ndarray:
    """Whether left records i and right records j agree in any of the first so many rules."""
    agree = np.zeros(len(i), bool)
    for rule in range(rules):
        equal = left.number[rule, i] == right.number[rule, j]
        agree |= equal & left.there[rule, i] & right.there[rule, j]
    return agree
