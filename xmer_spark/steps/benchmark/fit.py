"""One method on one data set: fitted on known items, measured on others. It runs in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import numpy as np

from xmer_spark import spaces
from xmer_spark.evaluation import ranking
from xmer_spark.names import direction_name, recall_at
from xmer_spark.numerics.linalg import unit_rows
from xmer_spark.numerics.views import Labels, Pairs
from xmer_spark.spaces.base import Space
from xmer_spark.steps.benchmark import conditions
from xmer_spark.steps.benchmark.data import DataSet, Extractors, views
from xmer_spark.steps.benchmark.process import Meter
from xmer_spark.steps.train.items import ItemTable, true_pairs

CHANCE = "chance"
MEAN = "mean"

Tables = dict[str, ItemTable]
Parameters = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """What to fit on what: all that the process needs to know."""

    data: DataSet
    extractors: Extractors
    blocks: Parameters
    space: str
    parameters: Parameters
    seed_of: str | None
    seeds: tuple[int, ...] = (0,)
    setting: str = "inductive"
    condition: str = "none"
    amount: float = 0.0
    candidates: tuple[Parameters, ...] = ()


@dataclass(frozen=True)
class Measured:
    """The values of one seed, by (direction, measure), and what fitting took."""

    seed: int
    values: dict[tuple[str, str], float]
    seconds: float
    peak_memory: int


def choose(task: Task) -> tuple[Parameters, float]:
    """The candidate of the highest mean MAP between validation items, fitted on the other known items."""
    tables = views(task.data, task.extractors)
    train = {m: t.where(~t.validation) for m, t in tables.known.items()}
    held_out = {
        m: t.where(t.validation & np.isin(t.source, task.data.sources)) for m, t in tables.known.items()
    }
    train, held_out = prepared(train, held_out, tables.widths, task.blocks)
    scores = []
    for candidate in task.candidates:
        trial = replace(task, parameters={**task.parameters, **candidate})
        scores.append(_measure(trial, train, held_out, 0).values[MEAN, "map"])
    best = int(np.argmax(scores))
    return task.candidates[best], scores[best]


def measure(task: Task) -> list[Measured]:
    """Fit on all known items, with each seed, and measure on the test items."""
    tables = views(task.data, task.extractors)
    results = []
    for seed in task.seeds:
        train = conditions.apply(task.condition, tables.known, task.amount, seed)
        results.append(_measure(task, *prepared(train, tables.test, tables.widths, task.blocks), seed))
    return results


def prepared(
    train: Tables, test: Tables, widths: Mapping[str, Mapping[str, int]], parameters: Mapping[str, Any]
) -> tuple[Tables, Tables]:
    """Both with their vectors as blocks that were fitted on the first."""
    blocks = spaces.PREPARATION.build("blocks", {"widths": widths, **parameters})
    blocks.fit({m: t.vectors for m, t in train.items()})

    def prepare(tables: Tables) -> Tables:
        return {m: replace(t, vectors=blocks.transform(m, t.vectors)) for m, t in tables.items()}

    return prepare(train), prepare(test)


def _measure(task: Task, train: Tables, test: Tables, seed: int) -> Measured:
    space = _build(task, seed)
    with Meter() as meter:
        placed = _place(space, task.setting == "transductive", train, test)
    return Measured(seed, _rank(placed, test, task.data), meter.seconds, meter.bytes)


def _place(space: Space, transductive: bool, train: Tables, test: Tables) -> dict[str, np.ndarray]:
    """The test items in a space that was fitted without them or, if transductive, beside them."""
    pairs = true_pairs(train)
    vectors = {m: t.vectors for m, t in train.items()}
    labels = {m: t.label for m, t in train.items()}
    if not transductive:
        space.fit(vectors, labels, pairs)
        return {m: space.transform(m, t.vectors) for m, t in test.items()}
    # Test items come last, without label and without partner: these are what is asked for.
    everything = {m: np.vstack([x, test[m].vectors]) for m, x in vectors.items()}
    unlabelled = {m: np.concatenate([y, np.full(len(test[m].label), -1)]) for m, y in labels.items()}
    placed = space.fit_transform(everything, unlabelled, pairs)
    return {m: x[len(vectors[m]) :] for m, x in placed.items()}


def _rank(placed: Mapping[str, np.ndarray], items: Tables, data: DataSet) -> dict[tuple[str, str], float]:
    """MAP over the full ranking, and recall where what is sought is an entity, by direction and as means.

    A content field's items rank those of each field of another modality.
    """
    sides = [(m, int(f)) for m, table in sorted(items.items()) for f in np.unique(table.field)]
    rows = {(m, f): np.flatnonzero(items[m].field == f) for m, f in sides}
    right = {(m, f): getattr(items[m], data.relevance)[rows[m, f]] for m, f in sides}
    values: dict[tuple[str, str], float] = {}
    for a, b in permutations(sides, 2):
        if a[0] == b[0]:
            continue
        direction = direction_name(data.fields[a[1]], data.fields[b[1]])
        similarity = ranking.inner_product(placed[a[0]][rows[a]], placed[b[0]][rows[b]])
        ranked = ranking.rank(similarity, right[a], right[b])
        values[direction, "map"] = float(ranked.average_precision.mean())
        if data.relevance == "entity":
            for k, recall in ranked.recall.items():
                values[direction, recall_at(k)] = float(recall.mean())
    for measure in dict.fromkeys(measure for _, measure in values):
        found = [value for (_, name), value in values.items() if name == measure]
        values[MEAN, measure] = float(np.mean(found))
    return values


def _build(task: Task, seed: int) -> Space:
    if task.space == CHANCE:
        return Chance(seed=seed)
    parameters = with_value(task.parameters, task.seed_of, seed) if task.seed_of else task.parameters
    built: Space = spaces.REGISTRY.build(task.space, parameters)
    return built


def with_value(parameters: Parameters, name: str, value: Any) -> Parameters:
    """The parameters with one of them set, whose name may lead into a table of them.

    >>> with_value({"training": {"epochs": 3}}, "training.seed", 1)
    {'training': {'epochs': 3, 'seed': 1}}
    """
    first, _, rest = name.partition(".")
    return {**parameters, first: with_value(parameters.get(first, {}), rest, value) if rest else value}


class Chance(Space):
    """Every item at a random place."""

    def __init__(self, dimensions: int = 32, seed: int = 0) -> None:
        self.dimensions = dimensions
        self.seed = seed

    def _fit(self, views: Any, labels: Labels | None, pairs: Pairs | None) -> None:
        self._random = np.random.default_rng(self.seed)

    def _transform(self, modality: str, x: np.ndarray) -> np.ndarray:
        return unit_rows(self._random.standard_normal((len(x), self.dimensions))).astype(np.float32)
