"""Data whose answer is known, and how well a space retrieves it: what the tests of all families share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xmer_spark.evaluation.ranking import inner_product, rank

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Wikipedia:
    """The Wikipedia set's features as its authors published them, on their split; labels are classes."""

    train: dict[str, np.ndarray]
    test: dict[str, np.ndarray]
    y_train: np.ndarray
    y_test: np.ndarray

    @classmethod
    def read(cls, folder: Path) -> Wikipedia:
        from scipy.io import loadmat

        features = loadmat(folder / "raw_features.mat")
        train, test = (
            {m: features[f"{letter}_{part}"] for m, letter in (("image", "I"), ("text", "T"))}
            for part in ("tr", "te")
        )
        labels = (
            np.loadtxt(folder / f"{part}set_txt_img_cat.list", dtype=str)[:, 2].astype(int)
            for part in ("train", "test")
        )
        return cls(train, test, *labels)

    def rooted(self) -> Wikipedia:
        """The square roots of its histograms, whose distances are Hellinger's."""
        train, test = ({m: np.sqrt(x) for m, x in part.items()} for part in (self.train, self.test))
        return Wikipedia(train, test, self.y_train, self.y_test)

    @property
    def labels(self) -> dict[str, np.ndarray]:
        return dict.fromkeys(self.train, self.y_train)

    def together(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Training and test items in one, and their labels, -1 where they are withheld."""
        views = {m: np.vstack([self.train[m], self.test[m]]) for m in self.train}
        withheld = np.concatenate([self.y_train, np.full(len(self.y_test), -1)])
        return views, dict.fromkeys(self.train, withheld)

    def retrieved(self, space: Any) -> float:
        """The mean average precision of a fitted space over the test items."""
        return retrieved(space, self.test, self.y_test)

    def retrieved_together(self, space: Any) -> float:
        """The same of an unfitted space that places training and test items together."""
        placed = space.fit_transform(*self.together())
        tests = {m: x[len(self.y_train) :] for m, x in placed.items()}
        return mean_average_precision(tests, dict.fromkeys(tests, self.y_test))


def retrieved(space: Any, views: Arrays, y: np.ndarray) -> float:
    """The mean average precision of a fitted space over rows whose classes are ``y``."""
    placed = {m: space.transform(m, x) for m, x in views.items()}
    return mean_average_precision(placed, dict.fromkeys(placed, y))


def mean_average_precision(placed: Arrays, truth: Arrays) -> float:
    """Images for texts and texts for images, on average."""
    found = [
        rank(inner_product(placed[q], placed[g]), truth[q], truth[g]).average_precision.mean()
        for q, g in (("image", "text"), ("text", "image"))
    ]
    return float(np.mean(found))


def doubled_angles(n: int, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """A point on a circle and the one at twice its angle, which no linear map matches; its quadrant."""
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi, n)
    views = {
        m: np.column_stack([np.cos(k * angle), np.sin(k * angle)]) for m, k in (("image", 1), ("text", 2))
    }
    return views, (2 * angle % (2 * np.pi) // (np.pi / 2)).astype(int)
