"""Several spaces as one: what the cosine is then, and that it is saved with all of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.spaces.kernel.test_kcca import circles
from xmer_spark.errors import ConfigError
from xmer_spark.spaces import REGISTRY
from xmer_spark.spaces.ensemble import Ensemble

SPACES = {"cca": {"dimensions": 2, "regularisation": 1e-3}, "regression": {"landmarks": 100}}


def test_the_cosine_is_the_weighted_mean_of_those_in_each_space() -> None:
    views = circles()
    both = Ensemble(SPACES, {"regression": 3.0}).fit(views)
    cosine = {}
    for name, parameters in SPACES.items():
        space = REGISTRY.build(name, parameters).fit(views)
        cosine[name] = space.transform("image", views["image"]) @ space.transform("text", views["text"]).T
    found = both.transform("image", views["image"]) @ both.transform("text", views["text"]).T
    np.testing.assert_allclose(found, (cosine["cca"] + 3 * cosine["regression"]) / 4, atol=1e-6)


def test_it_is_saved_with_all_its_spaces(tmp_path: Path) -> None:
    views = circles()
    both = Ensemble(SPACES).fit(views)
    both.save(tmp_path)
    loaded = REGISTRY.load(tmp_path)
    for modality, view in views.items():
        assert np.array_equal(both.transform(modality, view), loaded.transform(modality, view))
    again = both.fit({m: view[::2] for m, view in views.items()})
    assert not np.array_equal(again.transform("text", views["text"]), loaded.transform("text", views["text"]))


def test_it_learns_where_one_of_its_spaces_does() -> None:
    assert Ensemble(SPACES).learns
    assert not Ensemble({"pretrained": {}}).learns


def test_what_is_no_space_is_named() -> None:
    with pytest.raises(ConfigError, match="name the spaces"):
        Ensemble().fit(circles())
    with pytest.raises(ConfigError, match="unknown method 'ccca'"):
        Ensemble({"ccca": {}}).fit(circles())
    with pytest.raises(ConfigError, match="'kcca' has a weight"):
        Ensemble(SPACES, {"kcca": 2.0}).fit(circles())
