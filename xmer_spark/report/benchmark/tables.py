"""What the tables of the benchmark's page show: choices, all methods, the survey beside, details."""

from __future__ import annotations

from typing import NamedTuple

from xmer_spark.names import depth_of, recall_at
from xmer_spark.report import formats, survey
from xmer_spark.report.benchmark.data import (
    MEAN,
    PLAIN,
    BenchmarkData,
    Features,
    Method,
    Result,
    find,
    is_of,
    listed,
    score_of,
)

#: A method that takes less time and comes this near to the best one is named beside it.
NEARLY = 0.95


class Column(NamedTuple):
    """A column of the overview: a method in one setting."""

    method: Method
    setting: str

    @property
    def title(self) -> str:
        return titled(self.method.title, self.setting)


def titled(method: str, setting: str) -> str:
    """A method's title in one setting.

    >>> titled("CMCP", "transductive")
    'CMCP (t)'
    """
    return f"{method} (t)" if setting == "transductive" else method


def columns(data: BenchmarkData) -> list[Column]:
    """The listed methods; one that has been measured transductively has a second column."""
    measured = {(result.method, result.setting) for result in data.results}
    return [
        Column(method, setting)
        for setting in ("inductive", "transductive")
        for method in data.methods
        if method.listed and (method.name, setting) in measured
    ]


class Choice(NamedTuple):
    """What to choose for one kind of data: the best, those next to it, and one nearly as good but quicker."""

    features: Features
    best: Result
    next: list[Result]
    quick: Result | None
    chance: float


def choices(data: BenchmarkData) -> list[Choice]:
    """The feature settings with what to choose for each, inductive methods only."""
    found = []
    for features in data.features:
        results = listed(data, find(data, features, setting="inductive"))
        if not results:
            continue
        best = results[0]
        near = [r for r in results if r.value >= NEARLY * best.value and r.seconds < best.seconds / 2]
        chance = find(data, features, method="chance")
        found.append(
            Choice(
                features,
                best,
                results[1:4],
                min(near, key=lambda r: r.seconds) if near else None,
                chance[0].value if chance else 0.0,
            )
        )
    return found


class Cell(NamedTuple):
    """A result in the overview; ``best`` is the best of its feature setting among methods of its setting."""

    result: Result | None
    best: bool


def overview(data: BenchmarkData) -> list[tuple[Column, list[Cell]]]:
    """A row per method and setting, with a cell per feature setting."""
    results = {
        (features, result.method, result.setting): result
        for features in data.features
        for result in find(data, features)
    }
    tops = {
        (features, setting): next(iter(listed(data, find(data, features, setting=setting))), None)
        for features in data.features
        for setting in ("inductive", "transductive")
    }
    rows = []
    for column in columns(data):
        cells = []
        for features in data.features:
            result = results.get((features, column.method.name, column.setting))
            cells.append(Cell(result, result is not None and result is tops[features, column.setting]))
        rows.append((column, cells))
    return rows


class Beside(NamedTuple):
    """A row of the survey's table or, under ``features``, of ours."""

    title: str
    kind: str
    values: list[float | None]
    transductive: list[float | None]
    ours: bool


def beside(data: BenchmarkData) -> list[Beside]:
    """The survey's rows by their feature setting, and after those of each setting our own of that kind."""
    rows = []
    for kind in dict.fromkeys(printed.features for printed in survey.TABLE):
        nothing: list[float | None] = [None] * len(survey.METHODS)
        rows += [
            Beside(printed.data, kind, list(printed.values), nothing, False)
            for printed in survey.TABLE
            if printed.features == kind
        ]
        for features in data.features:
            if features.survey == kind:
                values = [score_of(data, features, name, "inductive") for name in survey.SPACES]
                seen = [score_of(data, features, name, "transductive") for name in survey.SPACES]
                rows.append(Beside(f"{features.data_title}, {features.title}", kind, values, seen, True))
    return rows


class Collapse(NamedTuple):
    """A method without and with regularisation, on the same features."""

    features: Features
    method: Method
    without: Result
    regularised: float | None
    chance: float | None


def collapsed(data: BenchmarkData) -> list[Collapse]:
    """The demonstrations, where they fall lowest, each with what the regularised method reaches there."""
    lowest = []
    for method in data.methods:
        found = [
            (result, features)
            for features in data.features
            for result in find(data, features)
            if result.method == method.name and not method.listed
        ]
        if found:
            result, features = min(found, key=lambda pair: pair[0].value)
            regularised = score_of(data, features, method.beside, "inductive")
            chance = score_of(data, features, "chance", "inductive")
            lowest.append(Collapse(features, method, result, regularised, chance))
    return lowest


class Shown(NamedTuple):
    """A further column of the details: a measure in one direction, or its mean over them."""

    title: str
    direction: str
    measure: str


def shown(data: BenchmarkData, features: Features) -> list[Shown]:
    """The columns of a feature setting's details: MAP by direction, and the means of Recall@K by K."""
    measured = sorted({(r.direction, r.measure) for r in data.results if is_of(r, features)})
    maps = [Shown(formats.direction(d).capitalize(), d, m) for d, m in measured if m == "map" and d != MEAN]
    depths = sorted({k for d, m in measured if d == MEAN and (k := depth_of(m)) is not None})
    return [*maps, *(Shown(f"Recall@{k}", MEAN, recall_at(k)) for k in depths)]


def details(data: BenchmarkData, features: Features) -> list[tuple[Result, dict[tuple[str, str], float]]]:
    """Every method of a feature setting with all its measures by direction and name; best first."""
    found = []
    for result in find(data, features):
        measures = {
            (r.direction, r.measure): r.value
            for r in data.results
            if is_of(r, features)
            and (r.method, r.setting, r.condition) == (result.method, result.setting, PLAIN)
        }
        found.append((result, measures))
    return found
