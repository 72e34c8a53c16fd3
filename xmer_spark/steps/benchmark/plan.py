"""What a benchmark consists of: its cells, each with a fingerprint of all that its values depend on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from xmer_spark.config import (
    Benchmark,
    BenchmarkCurve,
    BenchmarkData,
    BenchmarkFeatures,
    BenchmarkMethod,
    Config,
    document_hash,
)
from xmer_spark.errors import ConfigError
from xmer_spark.schema import MODALITIES
from xmer_spark.steps.benchmark.data import DataSet
from xmer_spark.steps.benchmark.fit import CHANCE, Task
from xmer_spark.steps.benchmark.matching import Asked

#: Raised when the same settings are measured in another way than before, or under other names.
PROTOCOL = 2


#: The columns of the table that say which cell a row is of.
KEY = ("data", "features", "method", "setting", "condition", "amount")


@dataclass(frozen=True)
class Cell:
    """One method on one data set under one feature setting, setting and condition; a row per seed.

    ``fingerprint`` leaves condition and amount out: the parameters that were chosen without them hold.
    """

    data: str
    features: str
    method: str
    setting: str
    condition: str
    amount: float
    seeds: tuple[int, ...]
    fingerprint: str
    task: Task

    @property
    def key(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in KEY)

    def __str__(self) -> str:
        extra = "" if self.condition == "none" else f", {self.condition} {self.amount:g}"
        shown = "" if self.setting == "inductive" else f", {self.setting}"
        return f"{self.data} / {self.features} / {self.method}{shown}{extra}"


def settings(config: Config) -> Benchmark:
    if config.benchmark is None:
        raise ConfigError(f"{config.name}: it has no [benchmark] section; see conf/benchmark.toml")
    return config.benchmark


def digest(cells: Iterable[Cell], tables: Asked) -> str:
    """A hash of what the values of cells and of sets of tables depend on."""
    matched = [fingerprint for _, fingerprint in tables.values()]
    return document_hash([[[cell.fingerprint, cell.key, cell.seeds] for cell in cells], matched])


def cells(benchmark: Benchmark, sets: Mapping[str, DataSet]) -> list[Cell]:
    """All cells of the wanted data sets that are there: first the table's, then the curves'."""
    return [*_table(benchmark, sets), *_curves(benchmark, sets)]


def wanted_data(benchmark: Benchmark) -> list[BenchmarkData]:
    """The data sets, with their feature settings, that ``only`` lets through."""
    only = benchmark.only
    found = []
    for data in benchmark.data:
        features = [f for f in data.features if not only.features or f.name in only.features]
        if features and (not only.data or data.name in only.data):
            found.append(data.model_copy(update={"features": features}))
    return found


def wanted(benchmark: Benchmark, cell: Cell) -> bool:
    """Whether ``only`` lets a cell's method and condition through."""
    only = benchmark.only
    return (not only.methods or cell.method in only.methods) and (
        not only.conditions or cell.condition in only.conditions
    )


def _table(benchmark: Benchmark, sets: Mapping[str, DataSet]) -> Iterator[Cell]:
    for data, features in _settings(benchmark, sets):
        for method in benchmark.method:
            if method.runs_on(data.name):
                for setting in method.settings:
                    yield _cell(benchmark, sets[data.name], data, features, method, setting)


def _curves(benchmark: Benchmark, sets: Mapping[str, DataSet]) -> Iterator[Cell]:
    for curve, (data, features) in product(benchmark.curve, _settings(benchmark, sets)):
        if data.name not in curve.data or (curve.features and features.name not in curve.features):
            continue
        methods = [m for m in benchmark.method if m.name in curve.methods and m.runs_on(data.name)]
        for method, amount in product(methods, curve.amounts):
            yield _cell(benchmark, sets[data.name], data, features, method, method.settings[0], curve, amount)


def _settings(
    benchmark: Benchmark, sets: Mapping[str, DataSet]
) -> Iterator[tuple[BenchmarkData, BenchmarkFeatures]]:
    for data in wanted_data(benchmark):
        if data.name in sets:
            for features in data.features:
                yield data, features


def _cell(
    benchmark: Benchmark,
    found: DataSet,
    data: BenchmarkData,
    features: BenchmarkFeatures,
    method: BenchmarkMethod,
    setting: str,
    curve: BenchmarkCurve | None = None,
    amount: float = 0.0,
) -> Cell:
    condition = curve.condition if curve else "none"
    random = method.seed is not None or method.name == CHANCE
    count = curve.draws if curve else benchmark.seeds if random else 1
    task = Task(
        data=found,
        extractors={m: names for m in MODALITIES if (names := getattr(features, m))},
        blocks={**features.blocks, **method.blocks},
        space=method.space or method.name,
        parameters=method.parameters,
        seed_of=method.seed,
        setting=setting,
        condition=condition,
        amount=amount,
        candidates=tuple(candidates(method.grid)),
    )
    identities = [found.identities[m, name] for m, names in task.extractors.items() for name in names]
    depends = [
        PROTOCOL, found.digest, found.relevance, found.sources, identities, task.blocks, task.space,
        task.parameters, method.grid, setting,
    ]  # fmt: skip
    return Cell(
        data.name,
        features.name,
        method.name,
        setting,
        condition,
        amount,
        tuple(range(count)),
        document_hash(depends),
        task,
    )


def candidates(grid: Mapping[str, list[Any]]) -> Iterator[dict[str, Any]]:
    """Every choice of one value per parameter.

    >>> list(candidates({"k": [1, 2], "metric": ["cosine"]}))
    [{'k': 1, 'metric': 'cosine'}, {'k': 2, 'metric': 'cosine'}]
    """
    return (dict(zip(grid, values, strict=True)) for values in product(*grid.values()))
