"""Mean average precision of Hamming ranking on the Wikipedia set: ``python -m tests.benchmarks.hashing``.

One JSON line a row. Relevant is what has the query's class; every test item is ranked, and items at
one distance count as in random order: their expected precision (McSherry and Najork 2008). Features are
square roots of the original histograms. Hashers that need a common space get that of CCA, which
has at most 10 dimensions because texts have 10 features; the others get the features. Parameters are
those that are best on a fifth of the training set (mean of both directions), for each number of bits.
The row of 0 bits is the inner product in the real-valued space.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from xmer_spark import hashing, spaces
from xmer_spark.hashing.base import hamming_matrix

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
BITS = (16, 32, 64, 128)
VALIDATION_SHARE = 0.2

CCA: dict[str, list[Any]] = {
    "dimensions": [6, 8, 10],
    "regularisation": [0.01, 0.1, 1.0],
    "power": [0.0, 0.5, 1.0],
}
COMMON: dict[str, dict[str, list[Any]]] = {
    "sign": {},
    "itq": {},
    "spectral": {},
    "anchor_graph": {"anchors": [150, 300, 600], "nearest": [3, 10, 30], "layers": [1, 2]},
}
SUPERVISED: dict[str, list[Any]] = {"supervision": ["pairs", "labels"]}
CROSS_MODAL: dict[str, dict[str, list[Any]]] = {
    "cvh": {"regularisation": [0.01, 0.1, 1.0], "rotate": [False, True]},
    "imh": {"smoothness": [0.01, 0.1, 1.0], "ridge": [0.01, 0.1], "rotate": [False, True]},
    "cmssh": {**SUPERVISED, "step": [None, 0.01, 0.03, 0.1, 1.0]},
    "crh": {**SUPERVISED, "rate": [1.0, 0.3, 0.1]},
    "scm": {
        "learning": ["sequential", "orthogonal"],
        "regularisation": [0.01, 0.1, 1.0],
        "rotate": [False, True],
    },
    "dcmh": {**SUPERVISED, "balance": [0.1, 1.0]},
}

Views = dict[str, np.ndarray]


class Split(NamedTuple):
    """What is learnt from and what is ranked; rows are aligned across modalities."""

    train: Views
    train_labels: np.ndarray
    test: Views
    test_labels: np.ndarray


def wikipedia(data: Path = DATA) -> Split:
    """Square roots of the original features, and class numbers from 1."""
    from scipy.io import loadmat

    folder = data / "wikipedia"
    mat = loadmat(folder / "raw_features.mat")
    labels = [
        np.loadtxt(folder / f"{part}set_txt_img_cat.list", dtype=str, delimiter="\t")[:, 2].astype(np.int64)
        for part in ("train", "test")
    ]
    train = {"image": np.sqrt(mat["I_tr"]), "text": np.sqrt(mat["T_tr"])}
    test = {"image": np.sqrt(mat["I_te"]), "text": np.sqrt(mat["T_te"])}
    return Split(train, labels[0], test, labels[1])


def validation(whole: Split, seed: int = 0) -> Split:
    """The training set parted at random."""
    order = np.random.default_rng(seed).permutation(len(whole.train_labels))
    held_out, kept = np.split(order, [int(VALIDATION_SHARE * len(order))])
    train, test = ({m: x[rows] for m, x in whole.train.items()} for rows in (kept, held_out))
    return Split(train, whole.train_labels[kept], test, whole.train_labels[held_out])


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


def both_directions(distance: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """From the distances (images, texts) of aligned items."""
    return {
        "image_to_text": average_precision(distance, labels, labels),
        "text_to_image": average_precision(distance.T, labels, labels),
    }


def run_space(split: Split, parameters: dict[str, Any]) -> tuple[dict[str, float], float, Split]:
    """MAP of the real-valued space, seconds to fit it, and the split placed in it."""
    start = time.perf_counter()
    space = spaces.REGISTRY.build("cca", parameters).fit(split.train)
    seconds = time.perf_counter() - start
    train, test = (
        {m: space.transform(m, x) for m, x in views.items()} for views in (split.train, split.test)
    )
    placed = split._replace(train=train, test=test)
    return both_directions(-(test["image"] @ test["text"].T), split.test_labels), seconds, placed


def run_hasher(
    name: str, bits: int, parameters: dict[str, Any], split: Split
) -> tuple[dict[str, float], float]:
    """MAP of Hamming ranking, and seconds to fit the hasher."""
    hasher = hashing.REGISTRY.build(name, {"bits": bits, **parameters})
    start = time.perf_counter()
    hasher.fit(split.train, dict.fromkeys(split.train, split.train_labels))
    seconds = time.perf_counter() - start
    image, text = (hasher.codes(m, split.test[m]) for m in ("image", "text"))
    return both_directions(hamming_matrix(image, text), split.test_labels), seconds


def choices(grid: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
    """Every combination of a grid's values."""
    return (dict(zip(grid, values, strict=True)) for values in product(*grid.values()))


def mean(found: dict[str, float]) -> float:
    return sum(found.values()) / len(found)


def rows(whole: Split) -> Iterator[dict[str, Any]]:
    """What is printed, row by row."""
    part = validation(whole)
    chosen = max(choices(CCA), key=lambda p: mean(run_space(part, p)[0]))
    _note("cca", chosen)
    found, seconds, placed = run_space(whole, chosen)
    yield from _rows("none (cca)", 0, found, seconds)
    placed_part = run_space(part, chosen)[2]
    for name, grid in {**COMMON, **CROSS_MODAL}.items():
        learn, final = (placed_part, placed) if name in COMMON else (part, whole)
        for bits in BITS:
            best = choose(name, bits, list(choices(grid)), learn)
            yield from _rows(name, bits, *run_hasher(name, bits, best, final))


def choose(name: str, bits: int, grid: list[dict[str, Any]], part: Split) -> dict[str, Any]:
    """The parameters of the best mean average precision on the validation part."""
    scores = [mean(run_hasher(name, bits, p, part)[0]) if len(grid) > 1 else 0.0 for p in grid]
    best = grid[int(np.argmax(scores))]
    _note(f"{name} {bits}", best)
    return best


def _note(name: str, parameters: dict[str, Any]) -> None:
    print(f"{name}: {parameters}", file=sys.stderr, flush=True)


def _rows(name: str, bits: int, found: dict[str, float], seconds: float) -> Iterator[dict[str, Any]]:
    for direction, value in found.items():
        yield {
            "data": "wikipedia",
            "hasher": name,
            "bits": bits,
            "direction": direction,
            "map": round(value, 4),
            "fit_seconds": round(seconds, 2),
        }


def main() -> None:
    if not (DATA / "wikipedia").is_dir():
        sys.exit(f"the Wikipedia set is not here: {DATA / 'wikipedia'}")
    for row in rows(wikipedia()):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
