"""Benchmark results -> one page that says which method to choose for which data, and loads nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from typing import NamedTuple

from xmer_spark.names import depth_of, recall_at
from xmer_spark.report import figures, formats, survey
from xmer_spark.report.figures import axis_of, layout_of, plain_numbers
from xmer_spark.report.render import FOLDER, plotly_script, script_hash

#: The condition of the table: nothing is done to the training items.
PLAIN = "none"
MEAN = "mean"
#: A method that takes less time and comes this near to the best one is named beside it.
NEARLY = 0.95
CONDITIONS = {
    "label_noise": ("Wrong labels", "share of the training records whose class is wrong"),
    "few_labels": ("Few labels", "share of the training records whose class is known"),
    "missing_modality": ("Missing modality", "share of the training records that lack image or text"),
}
#: Colours of a curve's methods, in their order: variables of the page's style.
_SERIES = tuple(f"var(--series-{number})" for number in range(1, 9))


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
    """All that the page shows."""

    name: str
    features: list[Features]
    methods: list[Method]
    results: list[Result]
    created: str
    warehouse: str
    missing: dict[str, str] = field(default_factory=dict)


class Column(NamedTuple):
    """A column of the overview: a method in one setting."""

    method: Method
    setting: str

    @property
    def title(self) -> str:
        return self.method.title + (" (t)" if self.setting == "transductive" else "")


class Choice(NamedTuple):
    """What to choose for one kind of data: the best, those next to it, and one nearly as good but quicker."""

    features: Features
    best: Result
    next: list[Result]
    quick: Result | None
    chance: float


class Curves(NamedTuple):
    """One condition on one feature setting, and who is ahead at its hardest amount."""

    identifier: str
    condition: str
    features: Features
    title: str
    quantity: str
    ahead: Result
    hardest: float


def render(data: BenchmarkData) -> str:
    """The page as one HTML document; whatever has no results is left out."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    titles = {method.name: method.title for method in data.methods}
    environment.filters |= {
        "duration": formats.duration,
        "score": score,
        "megabytes": lambda size: f"{size / 1e6:,.0f} MB",
        "parameters": parameters,
        "title": lambda result: Column(Method(result.method, titles[result.method]), result.setting).title,
    }
    drawn = build_figures(data)
    script = (FOLDER / "page.js").read_text("utf-8")
    plotly = plotly_script() if drawn else ""
    return environment.get_template("benchmark_page.html").render(
        data=data,
        choices=choices(data),
        columns=columns(data),
        overview=overview(data),
        beside=beside(data),
        survey_methods=survey.METHODS,
        collapsed=collapsed(data),
        curves=curves(data),
        details=[(f, shown(data, f), details(data, f)) for f in data.features],
        figures=drawn,
        style=(FOLDER / "style.css").read_text("utf-8"),
        script=script,
        plotly=plotly,
        script_hashes=f"{script_hash(plotly)} {script_hash(script)}",
    )


def score(value: float | None) -> str:
    """Three decimals, as results of retrieval are printed; a dash where there is none.

    >>> score(0.21951), score(None)
    ('.220', '–')
    """
    return "–" if value is None else f"{value:.3f}".removeprefix("0")


def parameters(text: str) -> str:
    """Parameters as a reader wants them.

    >>> parameters('{"dimensions": 10, "training": {"epochs": 5}}')
    'dimensions 10, training epochs 5'
    """
    found = []
    for name, value in json.loads(text).items():
        inner = value.items() if isinstance(value, dict) else [("", value)]
        found += [f"{name} {key} {_plain(part)}".replace("  ", " ") for key, part in inner]
    return ", ".join(found)


def _plain(value: object) -> str:
    return " + ".join(map(str, value)) if isinstance(value, list) else str(value)


def columns(data: BenchmarkData) -> list[Column]:
    """The listed methods; one that has been measured transductively has a second column."""
    measured = {(result.method, result.setting) for result in data.results}
    return [
        Column(method, setting)
        for setting in ("inductive", "transductive")
        for method in data.methods
        if method.listed and (method.name, setting) in measured
    ]


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
    """A row a method and setting, with a cell a feature setting."""
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
                values = [_value(data, features, name, "inductive") for name in survey.SPACES]
                seen = [_value(data, features, name, "transductive") for name in survey.SPACES]
                rows.append(Beside(f"{features.data_title}, {features.title}", kind, values, seen, True))
    return rows


def _value(data: BenchmarkData, features: Features, method: str, setting: str) -> float | None:
    found = find(data, features, method=method, setting=setting)
    return found[0].value if found else None


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
            regularised = _value(data, features, method.beside, "inductive")
            chance = _value(data, features, "chance", "inductive")
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


def curves(data: BenchmarkData) -> list[Curves]:
    """The curves that have been measured."""
    found = []
    for condition, (title, quantity) in CONDITIONS.items():
        for features in data.features:
            results = find(data, features, condition=condition)
            if results:
                hardest = (min if condition == "few_labels" else max)(r.amount for r in results)
                ahead = next(r for r in results if r.amount == hardest)
                identifier = f"{condition}-{features.data}-{features.name}"
                found.append(Curves(identifier, condition, features, title, quantity, ahead, hardest))
    return found


def build_figures(data: BenchmarkData) -> dict[str, figures.Figure]:
    """A figure for each of the curves, by the id of its element; a method has one colour in all of them."""
    drawn = {result.method for result in data.results if result.condition != PLAIN}
    colours = dict(zip((m.name for m in data.methods if m.name in drawn), _SERIES, strict=False))
    return {curve.identifier: curve_figure(data, curve, colours) for curve in curves(data)}


def curve_figure(data: BenchmarkData, curve: Curves, colours: dict[str, str]) -> figures.Figure:
    """Mean MAP over the amount: a line a method, with its deviation as whiskers, and chance dotted."""
    results = find(data, curve.features, condition=curve.condition)
    amounts = sorted({result.amount for result in results})
    traces = []
    for method in data.methods:
        points = sorted((r for r in results if r.method == method.name), key=lambda r: r.amount)
        if points:
            traces.append(_line(method, points, colours.get(method.name, figures.INK)))
    chance = _value(data, curve.features, "chance", "inductive")
    if chance is not None:
        traces.append(
            {
                "x": [amounts[0], amounts[-1]],
                "y": [chance, chance],
                "name": "Chance",
                "mode": "lines",
                "line": {"color": figures.CONTEXT, "width": 1.4, "dash": "dot"},
                "hoverinfo": "skip",
            }
        )
    x = axis_of("") | {"tickvals": amounts, "ticktext": [f"{100 * amount:g} %" for amount in amounts]}
    if curve.condition == "few_labels":
        x |= {"type": "log"}
    legend = {"orientation": "h", "y": -0.18, "x": 0, "font": {"size": 12}}
    layout = layout_of(x, axis_of("mean MAP")) | {"showlegend": True, "legend": legend, "height": 360}
    layout["margin"] = {"l": 52, "r": 16, "t": 10, "b": 20}
    return {"data": traces, "layout": layout}


def _line(method: Method, points: list[Result], colour: str) -> figures.Figure:
    name = escape(method.title)
    return {
        "x": plain_numbers([r.amount for r in points]),
        "y": plain_numbers([r.value for r in points]),
        "name": name,
        "mode": "lines+markers",
        "line": {"color": colour, "width": 2},
        "marker": {"size": 6, "color": colour},
        "error_y": {
            "type": "data", "array": plain_numbers([r.deviation or 0.0 for r in points]), "color": colour,
            "thickness": 1, "width": 2,
        },
        "hovertemplate": f"{name}<br>%{{x:.0%}}: %{{y:.3f}}<extra></extra>",
    }  # fmt: skip
