"""The report's figures as plotly JSON.

Colours are CSS variables, written ``var(--accent)``: the page puts in their values, so that one figure
serves light, dark and print. Small multiples, each with its own curve in the accent colour and the others
in grey behind it, need no legend.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from xmer_spark.report.data import Calibration, Confusion, Curve, Distribution, Numbers

Figure = dict[str, Any]

ACCENT, CONTEXT, HEAT, INK, MUTED, LINE, SURFACE = (
    f"var(--{name})" for name in ("accent", "context", "heat", "ink", "muted", "line", "surface")
)
#: Cells of a heat map carry their number up to this many classes; beyond it they would not fit.
CLASSES_WITH_NUMBERS = 12


def precision_recall(curves: Sequence[Curve], number: int) -> Figure:
    """Precision over recall of one pair of kinds, the others behind it, the threshold in force marked."""
    curve = curves[number]
    traces = [_step(other, CONTEXT, 1.2) for i, other in enumerate(curves) if i != number]
    main = _step(curve, ACCENT, 2.4)
    main["customdata"] = plain_numbers(curve.threshold)
    main["hovertemplate"] = (
        "recall %{x:.3f}<br>precision %{y:.3f}<br>threshold %{customdata:.3f}<extra></extra>"
    )
    del main["hoverinfo"]
    traces.append(main)
    at = operating_point(curve)
    if at is not None:
        traces.append(
            {
                "x": plain_numbers(np.asarray(curve.recall)[[at]]),
                "y": plain_numbers(np.asarray(curve.precision)[[at]]),
                "mode": "markers",
                "marker": {"size": 11, "color": ACCENT, "line": {"color": SURFACE, "width": 2.5}},
                "hovertemplate": f"threshold {curve.chosen_threshold:.3f}<br>recall %{{x:.3f}}"
                "<br>precision %{y:.3f}<extra>in force</extra>",
            }
        )
    return {"data": traces, "layout": layout_of(_unit_axis("recall"), _unit_axis("precision"))}


def operating_point(curve: Curve) -> int | None:
    """The last point of the curve that is still at or above the threshold in force."""
    if curve.chosen_threshold is None:
        return None
    reached = np.flatnonzero(np.asarray(curve.threshold, dtype=np.float64) >= curve.chosen_threshold)
    return int(reached[-1]) if reached.size else None


def calibration(curve: Calibration) -> Figure:
    """Observed share over predicted probability with its interval, above the number of pairs in each bin."""
    probability, observed = plain_numbers(curve.probability), plain_numbers(curve.observed)
    values, low, high = (np.asarray(v, dtype=np.float64) for v in (curve.observed, curve.low, curve.high))
    diagonal = {
        "x": [0, 1], "y": [0, 1], "mode": "lines", "hoverinfo": "skip",
        "line": {"color": CONTEXT, "width": 1.2, "dash": "dot"},
    }  # fmt: skip
    points = {
        "x": probability,
        "y": observed,
        "mode": "lines+markers",
        "line": {"color": ACCENT, "width": 2},
        "marker": {"size": 7, "color": ACCENT},
        "error_y": {
            "type": "data", "symmetric": False, "color": ACCENT, "thickness": 1.2, "width": 3,
            "array": plain_numbers(high - values), "arrayminus": plain_numbers(values - low),
        },
        "customdata": plain_numbers(curve.count),
        "hovertemplate": "predicted %{x:.3f}<br>observed %{y:.3f}<br>%{customdata:,} pairs<extra></extra>",
    }  # fmt: skip
    counts = {
        "type": "bar",
        "x": probability,
        "y": plain_numbers(curve.count),
        "yaxis": "y2",
        "width": 0.022,
        "marker": {"color": CONTEXT, "line": {"width": 0}},
        "hovertemplate": "%{y:,} pairs<extra></extra>",
    }
    observed_axis = _unit_axis("observed") | {"domain": [0.3, 1]}
    count_axis = _count_axis(curve.count) | {"domain": [0, 0.19], "dtick": 2}
    layout = layout_of(_unit_axis("predicted probability"), observed_axis)
    layout["xaxis"]["anchor"] = "y2"
    layout["yaxis2"] = count_axis
    return {"data": [diagonal, points, counts], "layout": layout}


def distribution(histogram: Distribution) -> Figure:
    """True and false pairs by match probability, on a logarithmic axis: false pairs are so many more."""
    edges = np.asarray(histogram.edges, dtype=np.float64)
    centres, widths = (edges[:-1] + edges[1:]) / 2, np.diff(edges)
    traces = [
        {
            "type": "bar",
            "x": plain_numbers(centres),
            "y": [count or None for count in plain_numbers(counts)],
            "width": plain_numbers(widths),
            "marker": {"color": colour, "opacity": opacity, "line": {"width": 0}},
            "hovertemplate": f"%{{y:,}} {name} pairs at %{{x:.2f}}<extra></extra>",
        }
        for name, counts, colour, opacity in (
            ("false", histogram.false, CONTEXT, 1.0),
            ("true", histogram.true, ACCENT, 0.72),
        )
    ]
    x = axis_of("match probability") | {
        "range": [float(edges[0]), float(edges[-1])],
        "showgrid": False,
    }
    y = _count_axis([*histogram.true, *histogram.false])
    return {"data": traces, "layout": layout_of(x, y) | {"barmode": "overlay", "bargap": 0}}


def confusion(matrix: Confusion) -> Figure:
    """First results as shares of each true class, the counts in the cells where they fit."""
    counts = np.asarray(matrix.counts, dtype=np.int64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    classes = [escape(str(name)) for name in matrix.classes]
    with_numbers = len(classes) <= CLASSES_WITH_NUMBERS
    positions = list(range(len(classes)))
    trace = {
        "type": "heatmap",
        "x": positions,
        "y": positions,
        "z": [plain_numbers(row) for row in shares],
        "customdata": [
            [[int(n), classes[i], classes[j]] for j, n in enumerate(row)] for i, row in enumerate(counts)
        ],
        "zmin": 0,
        "zmax": 1,
        "colorscale": [[0, SURFACE], [1, HEAT]],
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
        "hovertemplate": "%{customdata[1]} → %{customdata[2]}<br>%{customdata[0]:,} first results, "
        "%{z:.0%} of the class<extra></extra>",
    }
    if with_numbers:
        trace["text"] = [[f"{n:,}" if n else "" for n in row] for row in counts.tolist()]
        trace["texttemplate"] = "%{text}"
        trace["textfont"] = {"color": INK, "size": 12}
    names = {
        "tickmode": "array",
        "tickvals": positions,
        "ticktext": classes,
        "automargin": True,
        "showgrid": False,
        "ticklabelstandoff": 6,
    }
    x = axis_of("class of the first result") | names | {"side": "bottom", "tickangle": -40}
    y = axis_of("true class") | names | {"autorange": "reversed"}
    y["title"]["standoff"] = 12
    height = 150 + max(240, 30 * len(classes) if with_numbers else 14 * len(classes))
    return {"data": [trace], "layout": layout_of(x, y) | {"height": height}}


def _step(curve: Curve, colour: str, width: float) -> Figure:
    return {
        "x": plain_numbers(curve.recall),
        "y": plain_numbers(curve.precision),
        "mode": "lines",
        "line": {"color": colour, "width": width},
        "hoverinfo": "skip",
    }


def layout_of(x: Figure, y: Figure) -> Figure:
    return {
        "xaxis": x,
        "yaxis": y,
        "height": 280,
        "margin": {"l": 52, "r": 12, "t": 10, "b": 46},
        "showlegend": False,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"size": 12, "color": MUTED},
        "hoverlabel": {
            "bgcolor": SURFACE,
            "bordercolor": LINE,
            "font": {"size": 12, "color": INK},
            "align": "left",
        },
        "dragmode": False,
    }


def axis_of(title: str) -> Figure:
    return {
        "title": {"text": title, "font": {"size": 12, "color": MUTED}, "standoff": 8},
        "gridcolor": LINE,
        "linecolor": LINE,
        "zeroline": False,
        "ticks": "",
        "fixedrange": True,
    }


def _count_axis(counts: Numbers) -> Figure:
    """A logarithmic axis, on which one pair is still seen beside a million."""
    top = float(np.log10(max(np.max(counts, initial=0), 10)))
    return axis_of("pairs") | {"type": "log", "range": [-0.3, top + 0.15], "dtick": 1, "tickformat": "~s"}


def _unit_axis(title: str) -> Figure:
    return axis_of(title) | {
        "range": [-0.02, 1.04],
        "tickvals": [0, 0.25, 0.5, 0.75, 1],
        "ticktext": ["0", "", "0.5", "", "1"],
    }


def plain_numbers(numbers: Numbers) -> list[float | None]:
    """Numbers for JSON: five digits are enough to draw, and NaN, which JSON lacks, is a gap."""
    array = np.asarray(numbers, dtype=np.float64)
    return [None if not np.isfinite(v) else float(f"{v:.5g}") if v % 1 else int(v) for v in array.tolist()]
