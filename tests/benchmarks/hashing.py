"""Mean average precision of Hamming ranking on three data sets: ``python -m tests.benchmarks.hashing``.

One JSON line per row; the row of 0 bits is the inner product in the real-valued space. Every test item is
ranked, and items at one distance count as in random order: their expected precision (McSherry and Najork
2008). Relevant is what has the query's class; of the emoji, what is the query's thing. Hashers that need a
common space get the data set's (``hashing_data``), the others its prepared features. A method's
parameters are those that are best on validation items at 64 bits (mean of both directions).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.benchmarks import published_items
from tests.benchmarks.hashing_data import DATA, Data, Split
from xmer_spark import hashing
from xmer_spark.numerics.hamming import hamming_matrix
from xmer_spark.steps.benchmark.plan import candidates
from xmer_spark.steps.train.items import true_pairs

BITS = (16, 32, 64, 128)
CHOSEN_AT = 64

Parameters = dict[str, Any]
Grid = dict[str, list[Any]]

COMMON: dict[str, Grid] = {
    "sign": {},
    "itq": {"power": [0.0, 1.0]},
    "spectral": {},
    "anchor_graph": {"anchors": [150, 300], "nearest": [3, 30]},
}
SUPERVISED: Grid = {"supervision": ["pairs", "labels"]}
CROSS_MODAL: dict[str, Grid] = {
    "cvh": {"regularisation": [0.1, 1.0], "rotate": [False, True]},
    "imh": {"ridge": [0.01, 0.1], "rotate": [False, True]},
    "cmssh": {**SUPERVISED, "step": [None, 0.1]},
    "crh": SUPERVISED,
    "scm": {"learning": ["sequential", "orthogonal"], "regularisation": [0.1, 1.0]},
    "dcmh": SUPERVISED,
}


def main() -> None:
    for name in arguments().data:
        try:
            found = DATA[name]()
        except FileNotFoundError as missing:
            print(json.dumps({"data": name, "skipped": f"not here: {missing}"}), flush=True)
            continue
        for row in rows(found):
            print(json.dumps({"data": name, **row}), flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Mean average precision of Hamming ranking.")
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=list(DATA))
    return parser.parse_args()


def rows(data: Data) -> Iterator[dict[str, Any]]:
    """What is printed of a data set: its space, then every hasher at every number of bits."""
    start = time.perf_counter()
    placed = data.placed(data.whole)
    seconds = time.perf_counter() - start
    image, text = (placed.test[m].vectors for m in ("image", "text"))
    yield from _rows("none", 0, {}, both_directions(-(image @ text.T), placed), seconds)
    placed_part = data.placed(data.part)
    for name, grid in {**COMMON, **CROSS_MODAL}.items():
        learn, final = (placed_part, placed) if name in COMMON else (data.part, data.whole)
        best = choose(name, list(candidates(grid)), learn)
        for bits in BITS:
            yield from _rows(name, bits, best, *run_hasher(name, bits, best, final))


def choose(name: str, grid: list[Parameters], part: Split) -> Parameters:
    """The parameters of the best mean average precision on the validation items."""
    scores = [mean(run_hasher(name, CHOSEN_AT, p, part)[0]) if len(grid) > 1 else 0.0 for p in grid]
    best = grid[int(np.argmax(scores))]
    print(f"{name}: {best}", file=sys.stderr, flush=True)
    return best


def run_hasher(name: str, bits: int, parameters: Parameters, split: Split) -> tuple[dict[str, float], float]:
    """MAP of Hamming ranking, and seconds to fit the hasher."""
    hasher = hashing.REGISTRY.build(name, {"bits": bits, **parameters})
    start = time.perf_counter()
    train = split.train
    hasher.fit(published_items.vectors(train), published_items.labels(train), true_pairs(train))
    seconds = time.perf_counter() - start
    image, text = (hasher.codes(m, split.test[m].vectors) for m in ("image", "text"))
    return both_directions(hamming_matrix(image, text), split), seconds


def both_directions(distance: np.ndarray, split: Split) -> dict[str, float]:
    """From the distances (images, texts) of the test items."""
    image, text = (getattr(split.test[m], split.relevance) for m in ("image", "text"))
    return {
        "image_to_text": average_precision(distance, image, text),
        "text_to_image": average_precision(distance.T, text, image),
    }


def average_precision(distance: np.ndarray, query: np.ndarray, gallery: np.ndarray) -> float:
    """The mean over queries of the average precision that items of equal distance have in random order.

    >>> average_precision(np.array([[0, 0, 1]]), np.array([1]), np.array([1, 2, 2]))  # (1/1 + 1/2) / 2
    0.75
    """
    return float(
        np.mean([_expected(row, gallery == label) for row, label in zip(distance, query, strict=True)])
    )


def _expected(distance: np.ndarray, relevant: np.ndarray) -> float:
    _, group = np.unique(distance, return_inverse=True)
    size = np.bincount(group)
    hits = np.bincount(group, relevant)
    before = np.cumsum(size) - size
    hits_before = np.cumsum(hits) - hits
    own = np.repeat(np.arange(len(size)), size)
    position = np.arange(len(distance))
    within = position - before[own]
    # Given that the item at a position is relevant, the others of its group before it are by chance.
    chance = (hits[own] - 1) / np.maximum(size[own] - 1, 1)
    precision = (hits_before[own] + within * chance + 1) / (position + 1)
    return float((hits[own] / size[own] * precision).sum() / max(relevant.sum(), 1))


def mean(found: dict[str, float]) -> float:
    return sum(found.values()) / len(found)


def _rows(
    name: str, bits: int, parameters: Parameters, found: dict[str, float], seconds: float
) -> Iterator[dict[str, Any]]:
    for direction, value in {**found, "mean": mean(found)}.items():
        yield {
            "hasher": name,
            "bits": bits,
            "direction": direction,
            "map": round(value, 4),
            "fit_seconds": round(seconds, 2),
            "parameters": parameters,
        }


if __name__ == "__main__":
    main()
