"""Which visual words an image has, wherever they are in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.features.image.base import ImageExtractor, on_white


class SIFT(ImageExtractor):
    """Bag of visual words (Sivic and Zisserman 2003) of SIFT descriptors (Lowe 2004), summing to one.

    Of an image's keypoints the ``keypoints`` strongest count. Their descriptors are scaled to sum to one
    and square-rooted (Arandjelovic and Zisserman 2012), then each counts for the nearest of ``codebook_``
    (words, 128): the means of MiniBatchKMeans on ``descriptors`` descriptors, drawn from ``images``
    training images. An image without a keypoint is zero. Deviation: no inverse document frequency.
    """

    name = "sift"

    codebook_: np.ndarray

    def __init__(
        self,
        words: int = 500,
        keypoints: int = 500,
        images: int = 2000,
        descriptors: int = 200_000,
        seed: int = 0,
    ) -> None:
        self.words = words
        self.keypoints = keypoints
        self.images = images
        self.descriptors = descriptors
        self.seed = seed

    def training_items(self, available: int) -> int:
        return min(available, self.images)

    def _fit(self, batch: Sequence[bytes], labels: Sequence[str | None] | None) -> None:
        found = np.concatenate([np.empty((0, 128), dtype=np.float32), *self._readable(batch)])
        if not len(found):
            raise XmerError("features.sift: not one keypoint in the training images to learn words from")
        self.codebook_ = self._means(found)

    def prepare(self, value: np.ndarray) -> np.ndarray:
        """(h, w, 4) uint8 -> (keypoints, 128) float32 rows of unit length: square roots of the shares."""
        import cv2

        grey = cv2.cvtColor(on_white(value), cv2.COLOR_RGB2GRAY)
        _, found = cv2.SIFT.create(nfeatures=self.keypoints).detectAndCompute(grey, None)
        if found is None:
            return np.empty((0, 128), dtype=np.float32)
        return np.sqrt(found / np.maximum(found.sum(axis=1, keepdims=True), 1e-9))

    def _extract(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        """n images -> (n, words) float32."""
        codebook = self.fitted("codebook_")
        half_squares = (codebook * codebook).sum(axis=1) / 2
        histograms = np.zeros((len(prepared), len(codebook)), dtype=np.float32)
        for histogram, found in zip(histograms, prepared, strict=True):
            # The nearest mean m of x has the greatest x'm - m'm / 2.
            nearest = (found @ codebook.T - half_squares).argmax(axis=1)
            histogram[:] = np.bincount(nearest, minlength=len(codebook)) / max(len(found), 1)
        return histograms

    def _readable(self, batch: Sequence[bytes]) -> list[np.ndarray]:
        """Descriptors of the first ``images`` images, each of which may bring its share of them."""
        random = np.random.default_rng(self.seed)
        chosen = batch[: self.images]
        share = max(1, -(-self.descriptors // max(len(chosen), 1)))
        kept = []
        for content in chosen:
            try:
                found = self.prepare(self.read(content))
            except (OSError, ValueError):
                continue  # extraction will report it
            kept.append(random.permutation(found)[:share])
        return kept

    def _means(self, found: np.ndarray) -> np.ndarray:
        """Means of ``words`` groups, or of as many as there are different descriptors."""
        from sklearn.cluster import MiniBatchKMeans

        groups = min(self.words, len(np.unique(found, axis=0)))
        model = MiniBatchKMeans(groups, batch_size=4096, n_init=1, random_state=self.seed)
        return model.fit(found).cluster_centers_.astype(np.float32)
