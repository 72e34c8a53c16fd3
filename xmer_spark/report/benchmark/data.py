"""All that the benchmark's page shows, as plain data, and how to find one of its results."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

#: The condition of the table: nothing is done to the training items.
PLAIN = "none"
MEAN = "mean"


@dataclass(frozen=True)
class Result:
    """One measure of one method: the mean over its runs and, of several, their standard deviation."""

    data: str
    features: str
    method: str
    setting: str
    condition: str
    amount: float
    direction: str
    measure: str
    value: float
    deviation: float | None
    runs: int
    seconds: float
    peak_memory: int
    parameters: str
    validation: float | None


@dataclass(frozen=True)
class Features:
    """A feature setting of a data set, and the survey's setting that it is of one kind with, if any."""

    data: str
    name: str
    title: str
    data_title: str
    survey: str = ""
    by_class: bool = True


@dataclass(frozen=True)
class Method:
    """A method; one that is not ``listed`` is a demonstration, no choice, and stands ``beside`` another."""

    name: str
    title: str
    listed: bool = True
    beside: str = ""


@dataclass(frozen=True)
class BenchmarkData:
    """All that the page shows; ``tables`` are the titles of the sets of rows of tables, by name."""

    name: str
    features: list[Features]
    methods: list[Method]
    results: list[Result]
    created: str
    warehouse: str
    missing: dict[str, str] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)


def find(data: BenchmarkData, features: Features, **wanted: object) -> list[Result]:
    """Mean MAP, or what is wanted instead, of one feature setting, best first."""
    wanted = {"direction": MEAN, "measure": "map", "condition": PLAIN, **wanted}
    return sorted(
        (
            result
            for result in data.results
            if is_of(result, features)
            and all(getattr(result, name) == value for name, value in wanted.items())
        ),
        key=lambda result: -result.value,
    )


def is_of(result: Result, features: Features) -> bool:
    return (result.data, result.features) == (features.data, features.name)


def listed(data: BenchmarkData, results: Iterable[Result]) -> list[Result]:
    """Of results those of a method that one could choose."""
    names = {method.name for method in data.methods if method.listed and method.name != "chance"}
    return [result for result in results if result.method in names]


def score_of(data: BenchmarkData, features: Features, method: str, setting: str) -> float | None:
    """The mean MAP of one method on one feature setting; None where it has not been measured."""
    found = find(data, features, method=method, setting=setting)
    return found[0].value if found else None
