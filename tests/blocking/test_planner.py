"""What the planner predicts from a sample, beside what happens at the full size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from xmer_spark.blocking import REGISTRY
from xmer_spark.blocking.base import USUAL_PARTITIONS
from xmer_spark.blocking.planner import Population, choose, predict

SIZE, SAMPLE = 2000, 500


def world(noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Two sides whose items n are true pairs, in a few loose groups."""
    generator = np.random.default_rng(0)
    bits = generator.integers(0, 2, (20, 128))[generator.integers(0, 20, SIZE)]
    bits = bits ^ (generator.random(bits.shape) < 0.25)
    other = bits ^ (generator.random(bits.shape) < noise)
    left, right = (
        np.packbits(side.astype(np.uint8), axis=1, bitorder="little").view(np.uint64)
        for side in (bits, other)
    )
    return left, right


LEFT, RIGHT = world(0.1)
PLAIN: dict[str, tuple[str, dict[str, Any]]] = {
    "scan": ("scan", {}),
    "near scan": ("scan", {"max_distance": 0.25}),
    "radius": ("radius", {"radius": 20}),
    "small radius": ("radius", {"radius": 3}),
    "bands": ("bands", {"tables": 8, "bits": 12, "flips": 1}),
    "cells": ("cells", {"cells": 32, "probes": 3}),
    "top_k": ("top_k", {"k": 5}),
    "mutual top_k": ("top_k", {"k": 5, "mutual": True}),
}
BLOCKERS = {name: REGISTRY.build(*method).fit(LEFT, RIGHT) for name, method in PLAIN.items()}


def sampled(within: bool = False) -> Population:
    generator = np.random.default_rng(1)
    rows = generator.choice(SIZE, (3, SAMPLE))
    right = LEFT[rows[0]] if within else RIGHT[rows[1]]
    return Population(LEFT[rows[0]], right, SIZE, SIZE, LEFT[rows[2]], RIGHT[rows[2]], 100, within)


@pytest.mark.parametrize("name", list(BLOCKERS))
def test_predictions_from_a_sample_come_true(name: str) -> None:
    blocker, found = BLOCKERS[name], predict(BLOCKERS[name], sampled())
    i, j = blocker.pairs(LEFT, RIGHT)
    recall = (i == j).sum() / SIZE
    ties = name.endswith("top_k")  # which come on top of what is predicted
    if not ties:
        assert found.pairs == pytest.approx(len(i), rel=0.2, abs=3 * SIZE**2 / SAMPLE**2)
    assert found.most_pairs >= found.pairs
    assert found.recall == pytest.approx(recall, abs=0.06)
    assert found.recall_low <= found.recall <= found.recall_high
    keys = np.random.default_rng(2).integers(-(2**63), 2**63 - 1, SIZE)
    sent = sum(
        blocker.destinations(side, keys, codes, USUAL_PARTITIONS).sum()
        for side, codes in (("left", LEFT), ("right", RIGHT))
    )
    assert found.bytes_sent == pytest.approx(100 * sent, rel=0.02)


def test_the_cheapest_that_meets_the_target_is_chosen() -> None:
    choice = choose(BLOCKERS, sampled(), 0.9, 4_000_000)
    assert choice.name is not None
    chosen = choice.predictions[choice.name]
    assert chosen.recall >= 0.9
    assert chosen.most_pairs <= 4_000_000
    for p in choice.predictions.values():
        assert p.recall < 0.9 or p.most_pairs > 4_000_000 or p.seconds >= chosen.seconds
    assert choice.name in choice.reason


def test_an_index_is_preferred_to_a_scan_that_keeps_the_same_pairs() -> None:
    generator = np.random.default_rng(0)
    left, right = (generator.integers(0, 2**63, (1000, 1), np.uint64) for _ in range(2))
    people = Population(left, right, 10**6, 10**6, left, left, 16)
    blockers = {
        "radius": REGISTRY.build("radius", {"radius": 3}),
        "scan": REGISTRY.build("scan", {"max_distance": 3 / 64}),
    }
    choice = choose(blockers, people, 0.99, 10**8)
    assert choice.name == "radius"
    assert choice.predictions["scan"].compared == 10**12


def test_it_says_when_none_will_do_and_what_comes_nearest() -> None:
    few = {name: BLOCKERS[name] for name in ("small radius", "scan")}
    choice = choose(few, sampled(), 0.9, 1_000_000)
    assert choice.name is None
    assert "no blocker meets recall 0.9 within 1,000,000 pairs" in choice.reason
    assert "small radius with recall 0.0" in choice.reason
    choice = choose({"scan": BLOCKERS["scan"]}, sampled(), 0.9, 1_000_000)
    assert "even scan may need" in choice.reason
    assert choose({}, sampled(), 0.9, 1).name is None


def test_within_one_source_each_pair_counts_once() -> None:
    found = predict(BLOCKERS["scan"], sampled(within=True))
    assert found.pairs == SIZE * (SIZE - 1) / 2
