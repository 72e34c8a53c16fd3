"""The page that compares methods, from made-up results."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from xmer_spark.report.benchmark import matching, render, tables
from xmer_spark.report.benchmark.data import MEAN, PLAIN, BenchmarkData, Features, Method, Result

NEWS = Features("news", "cnn", "EfficientNet + words", "News", survey="CNN")
METHODS = [
    Method("chance", "Chance"),
    Method("cca", "CCA"),
    Method("jrl", "JRL"),
    Method("bare", "CCA without a ridge", listed=False, beside="cca"),
]


def result(method: str, value: float, **changes: object) -> Result:
    plain = Result(
        "news", "cnn", method, "inductive", PLAIN, 0.0, MEAN, "map", value, None, 1,
        10.0, 5_000_000, '{"sparsity": 0.01}', 0.4,
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


@pytest.fixture
def data() -> BenchmarkData:
    curve = [
        result(method, value - amount / 4, condition="label_noise", amount=amount, deviation=0.01, runs=3)
        for method, value in (("cca", 0.35), ("jrl", 0.4))
        for amount in (0.0, 0.6)
    ]
    results = [
        result("chance", 0.12),
        result("cca", 0.395, seconds=0.2),
        result("jrl", 0.4, deviation=0.012, runs=5),
        result("jrl", 0.45, setting="transductive"),
        result("bare", 0.13),
        *curve,
    ]
    return BenchmarkData("benchmark", [NEWS], METHODS, results, "today", "warehouse")


def test_the_best_method_is_named_with_the_next_and_a_quicker_one(data: BenchmarkData) -> None:
    (choice,) = tables.choices(data)
    assert (choice.best.method, choice.chance) == ("jrl", 0.12)
    assert [r.method for r in choice.next] == ["cca"]
    assert choice.quick is not None
    assert choice.quick.method == "cca"


def test_transductive_results_have_a_row_and_a_best_of_their_own(data: BenchmarkData) -> None:
    rows = {column.title: cells[0] for column, cells in tables.overview(data)}
    assert list(rows) == ["Chance", "CCA", "JRL", "JRL (t)"]
    assert [name for name, cell in rows.items() if cell.best] == ["JRL", "JRL (t)"]


def test_ours_stands_under_the_surveys_rows_of_the_same_kind(data: BenchmarkData) -> None:
    rows = tables.beside(data)
    place = next(i for i, row in enumerate(rows) if row.ours)
    assert [row.kind for row in rows[place - 3 : place + 1]] == ["CNN"] * 4
    assert rows[place - 3].values[0] == 0.1337
    assert rows[place].values[:5] == [0.395, None, None, None, 0.4]
    assert rows[place].transductive[4] == 0.45


def test_the_demonstration_is_told_and_is_no_choice(data: BenchmarkData) -> None:
    assert "CCA without a ridge falls to .130; the same method as validation chose it reaches .395" in re.sub(
        r"\s+", " ", render(data)
    )
    assert "bare" not in [column.method.name for column in tables.columns(data)]


def test_nothing_is_loaded_and_names_cannot_run_scripts(data: BenchmarkData) -> None:
    hostile = replace(data, features=[replace(NEWS, title="<script>alert(1)</script>")])
    rendered = render(hostile)
    assert "<script>alert" not in rendered
    assert "default-src 'none'" in rendered
    assert not re.findall(r'(?:src|href)="(?!#|data:)', rendered.split("<script")[0])


def test_results_that_are_missing_leave_their_part_of_the_page_out(data: BenchmarkData) -> None:
    rendered = render(replace(data, results=[], missing={"news": "there is no news"}))
    assert "there is no news" in rendered
    assert 'id="curves"' not in rendered


def test_protocols_of_tables_have_columns_of_their_own(data: BenchmarkData) -> None:
    def of_tables(name: str, setting: str, method: str, f1: float) -> list[Result]:
        values = {"pair_precision": 0.9, "pair_recall": 0.8, "pair_f1": f1}
        plain = {"data": name, "features": "fields", "setting": setting, "direction": "left/right"}
        return [result(method, value, **plain, measure=measure) for measure, value in values.items()]

    results = [
        *of_tables("shops", "whole_tables", "no_labels", 0.71),
        *of_tables("shops_splits", "splits", "training_pairs", 0.83),
    ]
    titles = {"shops": "Shops", "shops_splits": "Shops", "gone": "Gone"}
    rendered = replace(data, results=[*data.results, *results], tables=titles)
    (row,) = matching.matched(rendered)
    assert row.title == "Shops"
    assert [cell and cell["pair_f1"] for cell in row.values] == [0.71, None, 0.83]
    assert 'id="tables"' in render(rendered)
    assert 'id="tables"' not in render(data)


def test_a_browser_draws_the_curves(data: BenchmarkData, browser: Callable[..., str]) -> None:
    drawn = browser(render(data))
    assert len(re.findall(r'class="[^"]*plotly[^"]*"', drawn)) > 0
    assert "trace scatter" in drawn
