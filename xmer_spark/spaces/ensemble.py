"""Several spaces side by side, each with a say of its own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from xmer_spark.errors import ConfigError
from xmer_spark.numerics.linalg import unit_rows
from xmer_spark.numerics.views import Labels, Pairs, Views
from xmer_spark.spaces import REGISTRY
from xmer_spark.spaces.base import Space


class Ensemble(Space):
    """The cosine of two items is the weighted mean of their cosines in all spaces.

    ``spaces`` has the parameters of each by its method's name, ``weights`` their weights, 1 where none is
    given. An item's place is the places that all spaces give it, one after the other.
    """

    def __init__(
        self,
        spaces: Mapping[str, Mapping[str, Any]] | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        self.spaces = spaces
        self.weights = weights

    @property
    def learns(self) -> bool:
        return any(space.learns for space in self._built().values())

    def _fit(self, views: Views, labels: Labels | None, pairs: Pairs | None) -> None:
        spaces = self._built()
        if unknown := sorted(set(self.weights or {}) - set(spaces)):
            raise ConfigError(f"spaces.ensemble: {unknown[0]!r} has a weight, but is none of the spaces")
        self.states_ = {name: space.fit(views, labels, pairs).state() for name, space in spaces.items()}
        vars(self).pop("_fitted", None)

    def _transform(self, modality: str, x: np.ndarray) -> np.ndarray:
        weights = self.weights or {}
        places = [
            np.sqrt(weights.get(name, 1.0)) * unit_rows(space._transform(modality, x))
            for name, space in self._fitted.items()
        ]
        return unit_rows(np.hstack(places))

    @cached_property
    def _fitted(self) -> dict[str, Space]:
        spaces = self._built()
        for name, state in self.states_.items():
            for attribute, value in state.items():
                setattr(spaces[name], attribute, value)
        return spaces

    def _built(self) -> dict[str, Space]:
        if not self.spaces:
            raise ConfigError("spaces.ensemble: name the spaces, such as spaces = {cca = {}, kcca = {}}")
        return {name: REGISTRY.build(name, parameters) for name, parameters in self.spaces.items()}
