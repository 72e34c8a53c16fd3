"""Prepares a modality's joined extractor outputs for a space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.method import Method
from xmer_spark.numerics.linalg import mean_and_covariance, unit_rows
from xmer_spark.numerics.rows import in_blocks
from xmer_spark.numerics.threads import one_thread
from xmer_spark.numerics.views import Views, contiguous_views


class Blocks(Method):
    """Brings the outputs of several extractors, joined side by side, to one scale.

    Extractors differ in width and range by orders of magnitude, so each block of columns is taken
    by itself: signed square root where the extractor is in ``root`` (Hellinger, for histograms),
    rows to unit length where in ``unit``, then the first ``components`` principal directions of
    the training items, brought to a total variance of ``weights`` (1 where not named).

    ``widths`` maps modality to extractor to number of columns, in the order of joining;
    ``components`` is one number for all extractors, or one per extractor; 0 passes columns on as they
    come, for those that already mean something together: a space that encoders share.
    """

    def __init__(
        self,
        widths: Mapping[str, Mapping[str, int]],
        components: int | Mapping[str, int] = 256,
        root: list[str] | None = None,
        unit: list[str] | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        self.widths = widths
        self.components = components
        self.root = root
        self.unit = unit
        self.weights = weights

    def fit(self, views: Views) -> Self:
        """Learn from the training items' joined features, modality -> (n_m, sum of widths)."""
        self.means_: dict[str, dict[str, np.ndarray]] = {}
        self.maps_: dict[str, dict[str, np.ndarray]] = {}
        with self.fitting():
            for modality, x in contiguous_views(views).items():
                parts = self._parts(modality, x)
                fitted = {name: self._principal(name, part) for name, part in parts.items()}
                self.means_[modality] = {name: mean for name, (mean, _) in fitted.items()}
                self.maps_[modality] = {name: directions for name, (_, directions) in fitted.items()}
        return self

    def transform(self, modality: str, x: np.ndarray) -> np.ndarray:
        """(n, sum of widths) -> (n, sum of kept components) float32."""
        with one_thread():
            return in_blocks(lambda block: self._transform(modality, block), x)

    def _transform(self, modality: str, x: np.ndarray) -> np.ndarray:
        means, maps = self.means_[modality], self.maps_[modality]
        parts = [(part - means[name]) @ maps[name] for name, part in self._parts(modality, x).items()]
        return np.hstack(parts)

    def _parts(self, modality: str, x: np.ndarray) -> dict[str, np.ndarray]:
        """The extractors' columns, each after its root and length."""
        widths = self.widths[modality]
        if x.shape[1] != sum(widths.values()):
            raise XmerError(
                f"{modality}: {x.shape[1]} columns do not fit the extractors' widths {dict(widths)}"
            )
        columns = np.split(x, np.cumsum(list(widths.values()))[:-1], axis=1)
        parts = dict(zip(widths, columns, strict=True))
        for name in set(self.root or ()) & set(parts):
            parts[name] = np.sign(parts[name]) * np.sqrt(np.abs(parts[name]))
        for name in set(self.unit or ()) & set(parts):
            parts[name] = unit_rows(parts[name])
        return parts

    def _principal(self, name: str, part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and principal directions, scaled so that the kept components' variances add up."""
        width = part.shape[1]
        wanted = self.components if isinstance(self.components, int) else self.components.get(name, width)
        weight = (self.weights or {}).get(name, 1.0)
        if wanted == 0:
            return np.zeros(width), np.eye(width) * np.sqrt(weight)
        kept = min(wanted, width, len(part))
        # Of fewer items than columns, the items' inner products have the same values, and are fewer.
        mean, values, vectors = (_from_items if len(part) < width else _from_columns)(part, kept)
        total = max(float(values.sum()), 1e-12)
        return mean, vectors[:, ::-1] * np.sqrt(weight / total)


def _from_columns(part: np.ndarray, kept: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, and the ``kept`` largest variances, ascending, with their directions (columns, kept)."""
    from scipy.linalg import eigh

    mean, covariance = mean_and_covariance(part)
    width = len(mean)
    values, vectors = eigh(covariance, subset_by_index=(width - kept, width - 1))
    return mean, values, vectors


def _from_items(part: np.ndarray, kept: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same, by way of a matrix of the items; a direction in which they do not differ is zero."""
    from scipy.linalg import eigh

    mean = part.mean(axis=0, dtype=np.float64)
    centred = part - mean
    values, vectors = eigh(centred @ centred.T, subset_by_index=(len(part) - kept, len(part) - 1))
    sound = values > 1e-12 * values[-1]
    lengths = np.sqrt(np.where(sound, values, np.inf))
    return mean, np.where(sound, values, 0.0) / len(part), centred.T @ (vectors / lengths)
