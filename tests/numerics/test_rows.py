"""Rows in blocks: what comes of a row hangs on that row alone, to the last bit."""

from __future__ import annotations

import numpy as np

from xmer_spark.numerics.rows import in_blocks, inner_products


def test_inner_products_depend_on_the_two_rows_alone() -> None:
    random = np.random.default_rng(0)
    x, y = random.standard_normal((2, 300, 128), dtype=np.float32)
    i, j = random.integers(300, size=(2, 5000))
    whole = inner_products(x, y, i, j)
    np.testing.assert_allclose(whole, np.einsum("ij,ij->i", x[i], y[j]), rtol=1e-4, atol=1e-4)
    for part in (slice(3, 4), slice(17, 1000), slice(1001, None)):
        np.testing.assert_array_equal(inner_products(x, y, i[part], j[part]), whole[part])


def test_a_row_is_the_same_to_the_last_bit_whatever_it_comes_with() -> None:
    random = np.random.default_rng(5)
    x = random.standard_normal((700, 130)).astype(np.float32)
    matrix = random.standard_normal((900, 130)).astype(np.float32).T
    whole = in_blocks(lambda block: block @ matrix, x)
    for rows in ([3], [699, 3], list(range(100, 400))):
        np.testing.assert_array_equal(in_blocks(lambda block: block @ matrix, x[rows]), whole[rows])
