"""The benchmark's curves: what becomes of methods as something is done to the training items."""

from __future__ import annotations

from html import escape
from typing import NamedTuple

from xmer_spark.report import figures
from xmer_spark.report.benchmark.data import PLAIN, BenchmarkData, Features, Method, Result, find, score_of
from xmer_spark.report.figures import axis_of, layout_of, plain_numbers

CONDITIONS = {
    "label_noise": ("Wrong labels", "share of the training records whose class is wrong"),
    "few_labels": ("Few labels", "share of the training records whose class is known"),
    "missing_modality": ("Missing modality", "share of the training records that lack image or text"),
}
#: Colours of a curve's methods, in their order: variables of the page's style.
_SERIES = tuple(f"var(--series-{number})" for number in range(1, 9))


class Curves(NamedTuple):
    """One condition on one feature setting, and who is ahead at its hardest amount."""

    identifier: str
    condition: str
    features: Features
    title: str
    quantity: str
    ahead: Result
    hardest: float


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
    """Mean MAP over the amount: a line per method, with its deviation as whiskers, and chance dotted."""
    results = find(data, curve.features, condition=curve.condition)
    amounts = sorted({result.amount for result in results})
    traces = []
    for method in data.methods:
        points = sorted((r for r in results if r.method == method.name), key=lambda r: r.amount)
        if points:
            traces.append(_line(method, points, colours.get(method.name, figures.INK)))
    chance = score_of(data, curve.features, "chance", "inductive")
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
