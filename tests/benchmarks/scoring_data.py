"""Made-up records to be compared: by two contents in a common space, or by five string fields."""

from __future__ import annotations

from collections.abc import Callable
from math import isqrt
from typing import Any, NamedTuple

import numpy as np

from xmer_spark.blocking import records as blocking
from xmer_spark.comparisons.comparer import Comparer
from xmer_spark.comparisons.space import Surroundings
from xmer_spark.numerics.records import CODE, EMBEDDING, SURROUNDINGS, Records
from xmer_spark.resolver.model import Resolver
from xmer_spark.scoring.scorer import PairScorer

DIMENSIONS = 128
#: How far the two contents of a thing lie apart: matches and others overlap.
NOISE = 1.5
CONTENTS = {"photo": "image", "caption": "text"}
FIELDS = ("title", "maker", "street", "town", "remark")
#: Of all pairs of contents, the share that the blocker proposes; of a record of fields, about how many pairs.
SHARE, PARTNERS = 0.01, 100
#: Records of a side from which is learnt what is rare or near, and those whose pairs are scored to learn.
LEARNT, SCORED = 3000, 500

Sides = tuple[Records, Records]


class Work(NamedTuple):
    """Records of two sources, what compares and scores them, and what proposes their pairs, not fitted."""

    name: str
    sides: Sides
    resolver: Resolver
    blocker: Any

    @property
    def sources(self) -> tuple[str, str]:
        return self.sides[0].source, self.sides[1].source


def in_space(pairs: int) -> Work:
    """Photographs and captions, one vector each, that have about so many candidate pairs."""
    x, classes = _things(LEARNT, 1)
    surroundings = Surroundings().fit(x, dict.fromkeys(x, classes))
    comparer = Comparer({}, CONTENTS).around(surroundings)

    def sides(count: int, seed: int) -> Sides:
        views, _ = _things(count, seed)
        left, right = (
            Records(source, np.arange(count) + first, _encoded(field, views[modality], surroundings))
            for (field, modality), source, first in zip(CONTENTS.items(), ("a", "b"), (0, count), strict=True)
        )
        return left, right

    work = sides(isqrt(round(pairs / SHARE)), 3)
    near = {"method": "scan", "settings": {"max_distance": _distance(work)}}
    blocker = blocking.REGISTRY.build("codes", {"field": f"photo{CODE}~caption{CODE}", **near})
    return Work("common space", work, _resolver(comparer, sides), blocker)


def in_fields(pairs: int) -> Work:
    """Rows of five texts of three words that have about so many candidate pairs."""
    comparer = Comparer(dict.fromkeys(FIELDS, "text"), {}).fit(_rows(LEARNT, 1))
    blocker = blocking.REGISTRY.build("tokens", {"top": PARTNERS // 2})
    return Work("five string fields", _rows(pairs // PARTNERS, 3), _resolver(comparer, _rows), blocker)


def _resolver(comparer: Comparer, sides: Callable[[int, int], Sides]) -> Resolver:
    """One whose trees have learnt from all pairs of some records that are not scored."""
    left, right = (comparer.prepare(side) for side in sides(SCORED, 2))
    i, j = np.divmod(np.arange(SCORED**2), SCORED)
    scorer = PairScorer("boosted").fit(comparer.evidence(left, right, i, j), comparer.names, i == j)
    return Resolver(None, comparer, scorer, {}, {})


def _things(count: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Unit vectors of so many things in two modalities, and their classes of 8."""
    random = np.random.default_rng(seed)
    width = np.linspace(1.0, 0.2, DIMENSIONS, dtype=np.float32)
    z = random.standard_normal((count, DIMENSIONS), dtype=np.float32) * width
    views = {
        m: z + NOISE * width * random.standard_normal(z.shape, dtype=np.float32) for m in CONTENTS.values()
    }
    unit = {m: x / np.linalg.norm(x, axis=1, keepdims=True) for m, x in views.items()}
    return unit, (z[:, :3] > 0) @ np.array([1, 2, 4])


def _encoded(field: str, x: np.ndarray, surroundings: Surroundings) -> dict[str, np.ndarray]:
    signs = np.packbits(x > 0, axis=1, bitorder="little").view(np.uint64)
    around = surroundings.of(CONTENTS[field], x)
    return {field + EMBEDDING: x, field + SURROUNDINGS: around, field + CODE: signs}


def _distance(sides: Sides) -> float:
    """The share of differing bits within which ``SHARE`` of all pairs lie."""
    signs = [
        np.where(side.columns[field + EMBEDDING][:1000] > 0, 1, -1)
        for side, field in zip(sides, CONTENTS, strict=True)
    ]
    differing = (DIMENSIONS - signs[0] @ signs[1].T) / (2 * DIMENSIONS)
    return float(np.quantile(differing, SHARE))


def _rows(count: int, seed: int) -> Sides:
    """Two sources of one thing a row, in words as frequent as in language; a tenth of them is another one."""
    random = np.random.default_rng(seed)
    vocabulary = np.array([f"{word:x}" for word in random.integers(2**20, 2**40, 60_000)], object)
    words = np.minimum(random.zipf(1.3, (count, len(FIELDS), 3)), len(vocabulary)) - 1
    sides = []
    for source, first in (("a", 0), ("b", count)):
        other = random.integers(0, len(vocabulary), words.shape)
        said = vocabulary[np.where(random.random(words.shape) < 0.1, other, words)]
        texts = said[..., 0] + " " + said[..., 1] + " " + said[..., 2]
        columns = {field: texts[:, number] for number, field in enumerate(FIELDS)}
        sides.append(Records(source, np.arange(count) + first, columns))
    return sides[0], sides[1]
