from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from xmer_spark.errors import ConfigError, XmerError
from xmer_spark.method import Method, Registry, folder_bytes, write_folder


class Mean(Method):
    def __init__(self, power: int = 1) -> None:
        self.power = power


REGISTRY = Registry("tests", {"mean": f"{__name__}:Mean"})


def test_a_fitted_method_loads_as_it_was_saved(tmp_path: Path) -> None:
    method = REGISTRY.build("mean", {"power": 2})
    method.means_ = {"image": np.arange(3.0), "text": {"a": np.eye(2, dtype=np.float32)}}
    method.names_ = ["x", "y"]
    method.count_ = 5
    method.save(tmp_path)
    loaded = REGISTRY.load(tmp_path)
    assert (loaded.power, loaded.names_, loaded.count_) == (2, ["x", "y"], 5)
    np.testing.assert_array_equal(loaded.means_["image"], np.arange(3.0))
    assert loaded.means_["text"]["a"].dtype == np.float32


def test_the_order_of_a_parameters_keys_survives(tmp_path: Path) -> None:
    REGISTRY.build("mean", {"power": {"efficientnet": 2560, "colour": 640}}).save(tmp_path)
    assert list(REGISTRY.load(tmp_path).power) == ["efficientnet", "colour"]


def test_an_unknown_method_is_named_with_those_that_are_known() -> None:
    with pytest.raises(ConfigError, match="unknown method 'median'; known: mean"):
        REGISTRY.build("median")


def test_an_unknown_parameter_is_named_with_those_that_are_known() -> None:
    with pytest.raises(ConfigError, match="unknown parameter 'pow'; known: power"):
        REGISTRY.build("mean", {"pow": 2})


def test_a_folder_without_a_method_is_refused(tmp_path: Path) -> None:
    with pytest.raises(XmerError, match=r"method\.json is missing"):
        REGISTRY.load(tmp_path)


def test_a_folder_travels_as_bytes(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_bytes(b"x")
    copy = write_folder(folder_bytes(tmp_path / "a"), tmp_path / "copy")
    assert (copy / "b" / "file").read_bytes() == b"x"


def test_saved_state_cannot_write_outside_its_folder(tmp_path: Path) -> None:
    with pytest.raises(XmerError, match="leads outside"):
        write_folder({"../escaped": b"x"}, tmp_path / "inside")
