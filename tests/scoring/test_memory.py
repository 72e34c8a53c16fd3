"""What a task remembers of items: the same as would be worked out again, and worked out once."""

from __future__ import annotations

import numpy as np
import pytest

from xmer_spark.scoring.evidence import ItemEvidence
from xmer_spark.scoring.memory import ItemMemory


class Counted:
    """Item evidence that counts the items that it is worked out for."""

    def __init__(self) -> None:
        self.prepared = 0

    def __call__(self, vectors: np.ndarray) -> ItemEvidence:
        self.prepared += len(vectors)
        return {"vectors": vectors, "sum of squares": (vectors**2).sum(axis=1), "twice": 2 * vectors}


@pytest.mark.parametrize("limit", [1, 5_000, 1 << 20])
def test_what_is_remembered_of_an_item_is_what_it_was(limit: int) -> None:
    memory = ItemMemory(Counted(), limit)
    random = np.random.default_rng(0)
    keys = random.integers(-(2**62), 2**62, size=100)
    vectors = random.standard_normal((100, 7), dtype=np.float32)
    for _ in range(20):
        rows = random.permutation(100)[:30]
        found = memory(keys[rows], vectors[rows])
        np.testing.assert_array_equal(found["twice"], 2 * vectors[rows])
        np.testing.assert_allclose(found["sum of squares"], (vectors[rows] ** 2).sum(axis=1), rtol=1e-6)


def test_an_item_is_prepared_once_while_its_vector_stays_the_same() -> None:
    prepare = Counted()
    memory = ItemMemory(prepare)
    keys, vectors = np.arange(50), np.random.default_rng(0).standard_normal((50, 8), dtype=np.float32)
    memory(keys[:30], vectors[:30])
    before = prepare.prepared
    memory(keys, vectors)
    assert prepare.prepared - before == 20
    vectors[7] += 1
    np.testing.assert_array_equal(memory(keys, vectors)["twice"], 2 * vectors)
    assert prepare.prepared - before == 21
