"""MATLAB files: matrices of real numbers are read, and all else is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import csc_matrix

from tests.sources.reading import Found, read
from xmer_spark.errors import ConfigError


def found_in(root: Path) -> Found:
    vector = {"type": "vector", "modality": "text", "variable": "x"}
    return read(root, kind="mat", path="m.mat", fields={"v": vector})


@pytest.mark.parametrize("kind", [np.float64, np.int8, np.bool_, csc_matrix])
def test_matrices_are_read_sparse_or_not(tmp_path: Path, kind: Any) -> None:
    savemat(tmp_path / "m.mat", {"x": kind(np.eye(2))})
    assert found_in(tmp_path).values("v") == {"1": [1.0, 0.0], "2": [0.0, 1.0]}


@pytest.mark.parametrize("value", [np.eye(2) * 1j, np.array([[1, "a"]], object), {"a": 1}])
def test_what_holds_no_real_numbers_is_told(tmp_path: Path, value: Any) -> None:
    savemat(tmp_path / "m.mat", {"x": value})
    with pytest.raises(ConfigError, match=r"x in .*m\.mat does not hold real numbers"):
        found_in(tmp_path)


def _half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _scratched(content: bytes) -> bytes:
    return content[:200] + b"\xff" * 100 + content[300:]


@pytest.mark.parametrize(
    ("damage", "compressed"),
    [(_half, True), (_half, False), (_scratched, True), (lambda _: b"junk" * 99, True)],
)
def test_a_damaged_file_is_told_by_its_name(
    tmp_path: Path, damage: Callable[[bytes], bytes], compressed: bool
) -> None:
    file = tmp_path / "m.mat"
    savemat(file, {"x": np.random.default_rng(0).random((100, 10))}, do_compression=compressed)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ConfigError, match=r"m\.mat is not a MATLAB file that can be read"):
        found_in(tmp_path)
