"""Several blockers together: each pair once, by the first that proposes it, on any number of partitions."""

from __future__ import annotations

import numpy as np
import pytest

from tests.blocking.records.world import PARAMETERS, blocker, products
from xmer_spark.blocking.records.base import RecordBlocker, Records
from xmer_spark.blocking.records.best import Best
from xmer_spark.blocking.records.joint import (
    Found,
    all_pairs,
    gathered,
    joint_destinations,
    joint_pairs,
    marked,
)

LEFT, RIGHT = products(70, 1, things=50), products(60, 2, first_key=1)
NAMES = ["rules", "codes", "canopy", "sorted_neighbourhood", "tokens", "nearest_codes"]


def fitted(names: list[str], left: Records, right: Records) -> list[RecordBlocker]:
    return [blocker(name).fit(left, right) for name in names]


def keyed(found: Found, left: Records, right: Records) -> dict[tuple[int, int], int]:
    keys = zip(left.keys[found.left].tolist(), right.keys[found.right].tolist(), strict=True)
    pairs = dict(zip(keys, found.blocker.tolist(), strict=True))
    assert len(pairs) == len(found.left)
    return pairs


@pytest.mark.parametrize("names", [NAMES, NAMES[::-1]])
@pytest.mark.parametrize("within", [False, True])
def test_a_pair_is_kept_by_the_first_of_the_blockers_that_propose_it(names: list[str], within: bool) -> None:
    right = LEFT if within else RIGHT
    blockers = fitted(names, LEFT, right)
    found = keyed(all_pairs(blockers, LEFT, None if within else RIGHT), LEFT, right)
    expected: dict[tuple[int, int], int] = {}
    for number, one in enumerate(blockers):
        alone = keyed(all_pairs([one], LEFT, None if within else RIGHT), LEFT, right)
        assert alone
        expected |= {pair: number for pair in alone if pair not in expected}
    assert found == expected
    assert len(set(found.values())) >= 4


@pytest.mark.parametrize("partitions", [1, 2, 6, 7])
@pytest.mark.parametrize("within", [False, True])
def test_partitions_share_the_pairs_out_whatever_their_number(partitions: int, within: bool) -> None:
    right = LEFT if within else RIGHT
    blockers = fitted(NAMES, LEFT, right)
    sides = [marked(one, LEFT, right) for one in blockers]
    reached = [
        joint_destinations(blockers, "left", [a for a, _ in sides], partitions),
        joint_destinations(blockers, "right", [b for _, b in sides], partitions),
    ]
    lots = []
    for partition in range(partitions):
        mine, theirs = (np.flatnonzero(side[:, partition]) for side in reached)
        a = [one.take(left, mine) for one, (left, _) in zip(blockers, sides, strict=True)]
        b = [one.take(other, theirs) for one, (_, other) in zip(blockers, sides, strict=True)]
        found = joint_pairs(blockers, a, b, within, partition, partitions)
        lots += [Found(mine[lot.left], theirs[lot.right], lot.blocker) for lot in found]
    whole = keyed(all_pairs(blockers, LEFT, None if within else RIGHT), LEFT, right)
    assert keyed(gathered(lots), LEFT, right) == whole


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_the_order_of_the_records_does_not_matter(name: str) -> None:
    shuffled = [side.take(np.random.default_rng(0).permutation(len(side.keys))) for side in (LEFT, RIGHT)]
    plain = all_pairs(fitted([name], LEFT, RIGHT), LEFT, RIGHT)
    other = all_pairs(fitted([name], *shuffled), *shuffled)
    assert keyed(other, *shuffled) == keyed(plain, LEFT, RIGHT)


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_a_blocker_meets_the_pairs_that_it_makes_and_no_others(name: str) -> None:
    one = blocker(name).fit(LEFT, RIGHT)
    found = all_pairs([one], LEFT, RIGHT)
    i, j = np.divmod(np.arange(len(LEFT.keys) * len(RIGHT.keys)), len(RIGHT.keys))
    met = one.meets(*marked(one, LEFT, RIGHT), i, j)
    assert set(np.flatnonzero(met)) == set((found.left * len(RIGHT.keys) + found.right).tolist())


def test_best_scores_are_the_same_in_any_order_and_in_parts() -> None:
    generator = np.random.default_rng(0)
    record, score = generator.integers(0, 20, 500), generator.integers(1, 60, 500)
    whole, parts = Best(20, 4), Best(20, 4)
    whole.add(record, score)
    for rows in np.array_split(generator.permutation(500), 7):
        parts.add(record[rows], score[rows])
    assert np.array_equal(whole.scores, parts.scores)
    for number in range(20):
        expected = np.sort(score[record == number])[::-1][:4]
        assert np.array_equal(whole.scores[number], np.pad(expected, (0, 4 - len(expected))))
