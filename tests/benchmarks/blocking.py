"""What hashing and blocking lose between images and texts: ``python -m tests.benchmarks.blocking``.

One JSON line per row, over the emoji's held-out entities, from the published tables of ``xmer demo``; the
space is that of the configuration. ``recall`` is the share of the true image-text pairs among a tenth of
all pairs, or among as many as a blocker proposes, if these are fewer; ``exact`` is what the exact cosine
keeps in a tenth, and ``lost`` the difference.

- ``hashing``: pairs ranked by Hamming distance; pairs at the border count by their share that fits in.
  Hashers that need a common space and those that do not alike get the space's vectors.
- ``blockers``: each blocker over the default codes. Of its settings that propose at most a tenth, the one
  that keeps most of the validation pairs.
- ``resolved``: pair recall of the resolved entities with the blockers that training chooses, beside the same
  run, training included, over all pairs. Not run unless asked for: it takes minutes.

Parameters are those that keep most between validation entities, in a space that was fitted without these.
"""

from __future__ import annotations

import argparse
import importlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from tests.benchmarks import published_items
from tests.benchmarks.published_items import Tables
from xmer_spark import hashing
from xmer_spark.blocking import records as blocking
from xmer_spark.blocking.records.base import Records
from xmer_spark.blocking.records.joint import all_pairs
from xmer_spark.config import BlockerUse, Config, load_config
from xmer_spark.hashing.base import Hasher
from xmer_spark.names import direction_name
from xmer_spark.numerics import arrow
from xmer_spark.numerics.hamming import hamming_matrix
from xmer_spark.runtime import logs
from xmer_spark.steps.benchmark.fit import prepared
from xmer_spark.steps.benchmark.plan import candidates
from xmer_spark.steps.described import source_pairs
from xmer_spark.steps.train.items import true_pairs
from xmer_spark.store.published import Published
from xmer_spark.store.runs import Context

CONFIG = "conf/demo.toml"
EVERY_PAIR = "every_pair"
BUDGET = 0.1
BITS = 256

Parameters = dict[str, Any]

HASHERS: dict[str, dict[str, list[Any]]] = {
    "sign": {},
    "itq": {"power": [0.0, 0.5, 1.0, 2.0]},
    "spectral": {},
    "anchor_graph": {"anchors": [300, 600], "nearest": [3, 10]},
    "cvh": {"regularisation": [0.1, 1.0], "rotate": [False, True]},
    "scm": {"learning": ["sequential", "orthogonal"], "rotate": [False, True]},
    "imh": {"rotate": [False, True]},
    "crh": {},
    "cmssh": {"supervision": ["pairs", "labels"]},
    "dcmh": {},
}
BLOCKERS: dict[str, dict[str, list[Any]]] = {
    "scan": {"max_distance": [d / BITS for d in range(96, BITS // 2)]},
    "radius": {"radius": list(range(96, BITS // 2))},
    "cells": {"cells": [32, 64, 96, 128, 192, 256], "probes": [1, 2, 3, 4, 5, 6, 8, 10]},
    "bands": {"tables": [16, 32, 64], "bits": [8, 10, 12, 14], "flips": [0, 1]},
    # Of the other side's items: the validation entities are fewer.
    "nearest_codes": {"share": [n / 100 for n in range(3, 30)], "mutual": [False, True]},
}


class Fold(NamedTuple):
    """What is learnt from, what is ranked, both in the common space, and which pairs of that are true."""

    train: Tables
    test: Tables
    truth: np.ndarray


class Kept(NamedTuple):
    """The share of the true pairs that is kept, and of all pairs that is proposed for it."""

    recall: float
    pairs: float


def main() -> None:
    options = arguments()
    if not Path(options.warehouse).is_dir():
        print(json.dumps({"skipped": f"not here: {options.warehouse}; run `xmer demo`"}))
        return
    config = load_config(CONFIG, [f"warehouse.path={options.warehouse}"])
    if set(options.work) - {"resolved"}:
        folds = folds_of(config)
        exact = {name: by_cosine(fold) for name, fold in folds.items()}
        for work in options.work:
            for row in WORKS[work](config, folds, exact) if work in WORKS else []:
                print(json.dumps({"work": work, "n": folds["test"].truth.size, **row}), flush=True)
    if "resolved" in options.work:
        print(json.dumps(resolved(options.warehouse)), flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What hashing and blocking lose between images and texts.")
    parser.add_argument("--warehouse", default="warehouse", help="of a finished run of the demo")
    parser.add_argument(
        "--work", nargs="+", default=["hashing", "blockers"], choices=["hashing", "blockers", "resolved"]
    )
    return parser.parse_args()


def folds_of(config: Config) -> dict[str, Fold]:
    """The space fitted twice: validation entities are ranked where it was not fitted on them."""
    views = published_items.read(config.warehouse.path, {m: config.extractors(m) for m in ("image", "text")})
    folds = {}
    for name, (train, test) in published_items.parted(views).items():
        parameters = config.space.parameters
        inside, outside = prepared(train, test, views.widths, parameters.get("blocks", {}))
        inside, outside = published_items.placed(
            inside, outside, config.space.method, parameters.get(config.space.method)
        )
        folds[name] = Fold(inside, outside, outside["image"].entity[:, None] == outside["text"].entity)
    return folds


def kept_in_budget(distance: np.ndarray, truth: np.ndarray) -> float:
    """The share of true pairs among the nearest tenth; of equal distances, as many as fit in on average.

    >>> kept_in_budget(np.array([[0, 1, 1, 1, 1] + [2] * 15]), np.array([[0, 1] + [0] * 18], bool))
    0.25
    """
    budget = int(BUDGET * distance.size)
    border = np.partition(distance.ravel(), budget - 1)[budget - 1]
    inside, ties = distance < border, distance == border
    share = (budget - inside.sum()) / ties.sum()
    return float((truth & inside).sum() + share * (truth & ties).sum()) / float(truth.sum())


def by_cosine(fold: Fold) -> float:
    return kept_in_budget(-(fold.test["image"].vectors @ fold.test["text"].vectors.T), fold.truth)


def by_hamming(hasher: Hasher, fold: Fold) -> float:
    return kept_in_budget(hamming_matrix(*codes(hasher, fold.test)), fold.truth)


def codes(hasher: Hasher, tables: Tables) -> list[np.ndarray]:
    return [hasher.codes(m, tables[m].vectors) for m in ("image", "text")]


def coded(hasher: Hasher, tables: Tables) -> list[Records]:
    """The items of either modality as records of a code; no two of them have one key."""
    found, first = [], 0
    for of_one in codes(hasher, tables):
        keys = np.arange(first, first + len(of_one))
        found.append(Records(keys, pa.table({"code": arrow.lists(of_one.view(np.int64))})))
        first += len(of_one)
    return found


def fitted(name: str, parameters: Parameters, seed: int, fold: Fold) -> Hasher:
    hasher: Hasher = hashing.REGISTRY.build(name, {"bits": BITS, "seed": seed, **parameters})
    train = fold.train
    return hasher.fit(published_items.vectors(train), published_items.labels(train), true_pairs(train))


def default_hasher(config: Config, fold: Fold) -> Hasher:
    method = config.hashing.method
    return fitted(method, config.hashing.parameters.get(method, {}), config.seed, fold)


def hashers(config: Config, folds: dict[str, Fold], exact: dict[str, float]) -> Iterator[dict[str, Any]]:
    """The default, then every method with its best parameters."""
    default = {name: by_hamming(default_hasher(config, fold), fold) for name, fold in folds.items()}
    method = config.hashing.method
    yield {"hasher": "default", **_shown(method, config.hashing.parameters.get(method, {}))} | _beside(
        default, exact
    )
    for name, grid in HASHERS.items():
        part = folds["validation"]
        scores = [by_hamming(fitted(name, p, config.seed, part), part) for p in candidates(grid)]
        best = list(candidates(grid))[int(np.argmax(scores))]
        start = time.perf_counter()
        hasher = fitted(name, best, config.seed, folds["test"])
        seconds = round(time.perf_counter() - start, 2)
        found = {"validation": max(scores), "test": by_hamming(hasher, folds["test"])}
        yield {"hasher": name, **_shown(name, best), "seconds": seconds} | _beside(found, exact)


def blockers(config: Config, folds: dict[str, Fold], exact: dict[str, float]) -> Iterator[dict[str, Any]]:
    """Every blocker with the settings that keep most and propose at most a tenth, of either fold's pairs."""
    learnt = {name: default_hasher(config, fold) for name, fold in folds.items()}
    for name, grid in BLOCKERS.items():
        tried = {}
        for parameters in candidates(grid):
            found = {fold: proposed(name, parameters, learnt[fold], folds[fold]) for fold in folds}
            if max(kept.pairs for kept in found.values()) <= BUDGET:
                tried[json.dumps(parameters)] = found
        if not tried:
            yield {"blocker": name, "skipped": "none of its settings proposes so few pairs"}
            continue
        best = max(tried, key=lambda p: tried[p]["validation"].recall)
        recall = {fold: kept.recall for fold, kept in tried[best].items()}
        share = round(tried[best]["test"].pairs, 4)
        yield {"blocker": name, **_shown(name, json.loads(best)), "pairs": share} | _beside(recall, exact)


def proposed(name: str, parameters: Parameters, hasher: Hasher, fold: Fold) -> Kept:
    if name == "nearest_codes":
        top = int(parameters["share"] * fold.truth.shape[1])
        blocker = blocking.REGISTRY.build(name, {"field": "code", "top": top, "mutual": parameters["mutual"]})
    else:
        blocker = blocking.REGISTRY.build("codes", {"field": "code", "method": name, "settings": parameters})
    i, j, _ = all_pairs([blocker.fit(*coded(hasher, fold.train))], *coded(hasher, fold.test))
    return Kept(float(fold.truth[i, j].sum() / fold.truth.sum()), len(i) / fold.truth.size)


WORKS = {"hashing": hashers, "blockers": blockers}


def _shown(method: str, parameters: Parameters) -> dict[str, Any]:
    return {"method": method, "parameters": parameters}


def _beside(found: dict[str, float], exact: dict[str, float]) -> dict[str, float]:
    return {
        "recall": round(found["test"], 4),
        "exact": round(exact["test"], 4),
        "lost": round(exact["test"] - found["test"], 4),
        "validation_recall": round(found["validation"], 4),
        "validation_exact": round(exact["validation"], 4),
        "validation_lost": round(exact["validation"] - found["validation"], 4),
    }


def resolved(warehouse: str) -> dict[str, Any]:
    """Pair recall on held-out entities with chosen blockers and over all pairs, and the difference."""
    logs.configure()
    with tempfile.TemporaryDirectory() as parent:
        own, all_pairs = (measured(Path(parent) / name, warehouse) for name in ("chosen", EVERY_PAIR))
    row: dict[str, Any] = {"work": "resolved", "seconds": own.pop("seconds"), "peer": "all pairs"}
    row |= {"peer_seconds": all_pairs.pop("seconds")}
    for name, value in own.items():
        other = all_pairs[name]
        row |= {
            name: round(value, 4),
            f"peer_{name}": round(other, 4),
            f"lost_{name}": round(other - value, 4),
        }
    return row


def all_of(config: Config) -> list[BlockerUse]:
    """Blockers that make candidates of all pairs of records: any two codes are near enough."""
    code = {source.name: f"{next(iter(source.contents()))}/code" for source in config.source}
    near = {"method": "scan", "settings": {"max_distance": 1.0}}
    return [
        BlockerUse(
            method="codes",
            parameters={"field": f"{code[a]}~{code[b]}", **near},
            pair=direction_name(a, b),
        )
        for a, b in source_pairs(config)
    ]


def measured(folder: Path, warehouse: str) -> dict[str, float]:
    """Train, resolve and evaluate in a copy of the warehouse; the pair recall of all pairs and across."""
    shutil.copytree(warehouse, folder / "warehouse")
    replacements = {
        "warehouse.path": folder / "warehouse",
        "tracking.uri": f"sqlite:///{folder}/mlflow.db",
        "tracking.artifacts": folder / "mlartifacts",
    }
    config = load_config(CONFIG, [f"{key}={value}" for key, value in replacements.items()])
    if folder.name == EVERY_PAIR:
        blocking_of_all = config.blocking.model_copy(update={"use": all_of(config)})
        config = config.model_copy(update={"blocking": blocking_of_all})
    context = Context(config)
    start = time.perf_counter()
    for job in ("train", "resolve", "evaluate"):
        getattr(importlib.import_module(f"jobs.{job}"), job)(context)
    seconds = round(time.perf_counter() - start, 1)
    context.close()
    rows = Published(str(folder / "warehouse")).query(
        "SELECT name, value FROM current_metrics WHERE name IN ('pair_recall/all', 'pair_recall/image-text')"
    )
    return {"seconds": seconds, **{row["name"]: row["value"] for row in rows.to_pylist()}}


if __name__ == "__main__":
    main()
