"""The benchmark on a tiny made-up data set: measured once, shown on a page, and not measured again."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from jobs.benchmark import benchmark
from xmer_spark.config import load_config
from xmer_spark.errors import ConfigError, XmerError
from xmer_spark.steps.benchmark import conditions, fit, process, runner
from xmer_spark.steps.benchmark.data import DataSet
from xmer_spark.steps.train.items import ItemTable
from xmer_spark.store.runs import Context

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CLASSES = ("cats", "dogs", "rocks")
PIPELINE = """
name = "{name}"
[evaluation]
task = "class"
[extract]
image = ["precomputed"]
text = ["precomputed"]
[ingest]
split = [0.5, 0.2, 0.3]
"""
SOURCE = """
[[source]]
name = "made_up"
kind = "mat"
path = "{folder}/features.mat"
listing = "items.list"
columns = ["key", "class"]
key = "key"
entity = "key"
label = "class"
[source.fields]
picture = {{type = "vector", modality = "image", variable = "image"}}
caption = {{type = "vector", modality = "text", variable = "text"}}
"""
BENCHMARK = """
name = "benchmark"
[warehouse]
path = "{folder}/warehouse"
[benchmark]
page = "{folder}/page.html"
seeds = 2
[[benchmark.data]]
name = "made_up"
title = "Made up"
config = "{folder}/made_up.toml"
[[benchmark.data.features]]
name = "given"
image = ["precomputed"]
text = ["precomputed"]
survey = "Shallow"
[[benchmark.data]]
name = "gone"
config = "{folder}/gone.toml"
[[benchmark.data.features]]
name = "given"
image = ["precomputed"]
text = ["precomputed"]
[[benchmark.method]]
name = "chance"
[[benchmark.method]]
name = "cca"
title = "CCA"
parameters = {{dimensions = 2}}
grid = {{regularisation = [0.1, 1.0]}}
[[benchmark.method]]
name = "cmcp"
title = "CMCP"
parameters = {{neighbours = 5}}
settings = ["inductive", "transductive"]
[[benchmark.method]]
name = "bare"
title = "CCA without a ridge"
space = "cca"
parameters = {{regularisation = 0.0}}
table = false
[[benchmark.curve]]
condition = "label_noise"
amounts = [0.0, 0.6]
data = ["made_up"]
methods = ["cmcp"]
draws = 2
[[benchmark.relational]]
name = "shops"
title = "Two shops"
left = "{folder}/left.csv"
right = "{folder}/right.csv"
truth = "{folder}/truth.csv"
"""


def write_made_up(folder: Path, items: int = 120) -> Path:
    """Items of three classes in two modalities, and a data set whose files are not there."""
    from scipy.io import savemat

    random = np.random.default_rng(0)
    label = random.integers(len(CLASSES), size=items)
    vectors = {
        modality: random.standard_normal((len(CLASSES), width))[label]
        + random.standard_normal((items, width))
        for modality, width in (("image", 8), ("text", 6))
    }
    savemat(folder / "features.mat", vectors)
    (folder / "items.list").write_text("".join(f"{i}\t{CLASSES[c]}\n" for i, c in enumerate(label)))
    for name, place in (("made_up", folder), ("gone", folder / "nowhere")):
        (folder / f"{name}.toml").write_text(PIPELINE.format(name=name) + SOURCE.format(folder=place))
    names = [" ".join(f"word{word}" for word in row) for row in random.integers(60, size=(100, 4))]
    for side in ("left", "right"):
        rows = "".join(f"{n},{name} {side},{7.5 * n}\n" for n, name in enumerate(names))
        (folder / f"{side}.csv").write_text(f"id,name,price\n{rows}")
    (folder / "truth.csv").write_text("a,b\n" + "".join(f"{n},{n}\n" for n in range(len(names))))
    path = folder / "benchmark.toml"
    path.write_text(BENCHMARK.format(folder=folder))
    return path


class MadeUp:
    """The benchmark of the made-up data in the tests' own session."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = write_made_up(folder)

    def run(self, *replacements: str) -> Context:
        context = Context(load_config(self.file, replacements))
        benchmark(context)
        return context

    def rows(self) -> list[Any]:
        return list(Context(load_config(self.file)).warehouse.read("benchmarks").collect())

    def page(self) -> str:
        return (self.folder / "page.html").read_text("utf-8")


@pytest.fixture(scope="module")
def made_up(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> MadeUp:
    found = MadeUp(tmp_path_factory.mktemp("benchmark"))
    found.run()
    return found


@pytest.fixture
def no_fits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every fit from now on is noted, and not made."""
    fits: list[str] = []

    def refuse(function: Any, task: Any) -> None:
        fits.append(task.space)
        raise XmerError("not now")

    monkeypatch.setattr(runner, "alone", refuse)
    return fits


def of(rows: Sequence[Any], **wanted: object) -> list[float]:
    return [row["value"] for row in rows if all(row[name] == value for name, value in wanted.items())]


def test_every_method_is_measured_in_both_directions_and_learns_something(made_up: MadeUp) -> None:
    rows = [row for row in made_up.rows() if row["data"] == "made_up"]
    plain = {"condition": "none", "measure": "map"}
    directions = {row["direction"] for row in rows}
    assert directions == {"picture/caption", "caption/picture", "mean"}
    assert len(of(rows, method="chance", direction="mean", **plain)) == 2  # seeds
    chance = np.mean(of(rows, method="chance", direction="mean", **plain))
    for method, setting in (("cca", "inductive"), ("cmcp", "inductive"), ("cmcp", "transductive")):
        both = [of(rows, method=method, setting=setting, direction=d, **plain)[0] for d in sorted(directions)]
        assert both[1] == pytest.approx((both[0] + both[2]) / 2)
        assert both[1] > chance + 0.1
    assert all(row["seconds"] >= 0 and row["peak_memory"] >= 0 for row in rows)


def test_parameters_are_chosen_on_validation_and_recorded(made_up: MadeUp) -> None:
    row = next(row for row in made_up.rows() if row["method"] == "cca")
    assert re.fullmatch(r'\{"dimensions": 2, "regularisation": (0.1|1.0)\}', row["parameters"])
    assert 0 < row["validation"] <= 1


def test_noise_in_the_labels_costs_what_learns_from_them(made_up: MadeUp) -> None:
    clean, noisy = (
        np.mean(of(made_up.rows(), condition="label_noise", amount=amount, direction="mean"))
        for amount in (0.0, 0.6)
    )
    assert clean == pytest.approx(
        of(made_up.rows(), condition="none", method="cmcp", setting="inductive", direction="mean")[0]
    )
    assert noisy < clean


def test_the_page_shows_the_numbers_beside_the_surveys_and_loads_nothing(made_up: MadeUp) -> None:
    page = made_up.page()
    best = max(
        of(made_up.rows(), condition="none", setting="inductive", direction="mean", method=method)[0]
        for method in ("cca", "cmcp")
    )
    assert f'<p class="value">{best:.3f}'.replace("0.", ".") in page
    for text in (
        "Two shops",
        "CMCP (t)",
        ".120",
        "CCA without a ridge",
        "Made up",
        "Wrong labels",
        "regularisation",
    ):
        assert text in page
    assert not re.findall(r'(?:src|href)="(?!#|data:)', page.split("<script")[0])


def test_a_data_set_that_is_not_there_is_left_out_and_named(
    made_up: MadeUp, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        made_up.run()
    assert re.search(r"gone is left out: source made_up: path: there is no .*nowhere", caplog.text)
    assert "Not here." in made_up.page()
    assert {row["data"] for row in made_up.rows()} == {"made_up", "shops"}


def test_rows_of_tables_are_matched_by_a_protocol_of_their_own(made_up: MadeUp) -> None:
    rows = [row for row in made_up.rows() if row["data"] == "shops"]
    assert {(row["setting"], row["method"], row["direction"]) for row in rows} == {
        ("whole_tables", "no_labels", "left/right")
    }
    assert of(rows, measure="pair_f1")[0] > 0.9


def test_a_second_run_does_nothing(made_up: MadeUp, no_fits: list[str]) -> None:
    before = made_up.run().warehouse.version("benchmarks")
    runs = made_up.run().runs()
    assert no_fits == []
    assert made_up.run().warehouse.version("benchmarks") == before
    assert len([run for run in runs if run.job == "benchmark"]) == 1


def test_only_what_is_missing_is_measured_and_what_fails_is_named(
    made_up: MadeUp, no_fits: list[str], tmp_path: Path
) -> None:
    other = ["benchmark.seeds=3", f"benchmark.page={tmp_path}/page.html"]
    made_up.run(*other, 'benchmark.only.methods=["cca", "cmcp"]')
    assert no_fits == []
    with pytest.raises(XmerError, match="1 failed"):
        made_up.run(*other)
    assert no_fits == ["chance"]
    assert "not now" in (tmp_path / "page.html").read_text()
    no_fits.clear()
    with pytest.raises(XmerError, match="failed"):
        made_up.run(*other, 'benchmark.only.methods=["cca"]', 'benchmark.again=["cca"]')
    assert no_fits == ["cca"]


def test_a_name_that_is_not_known_is_refused(tmp_path: Path) -> None:
    path = write_made_up(tmp_path)
    with pytest.raises(ConfigError, match=r"only\.methods: unknown methods jrl; known: bare, cca"):
        load_config(path, ['benchmark.only.methods=["jrl"]'])
    path.write_text('name = "nothing"')
    with pytest.raises(ConfigError, match="there must be one at least"):
        load_config(path)


def test_what_goes_wrong_in_a_process_is_told() -> None:
    with pytest.raises(XmerError, match=r"ValueError: .*'no number' \(process.py, line"):
        process.alone(int, "no number")
    with pytest.raises(XmerError, match="exit code 3"):
        process.alone(os._exit, 3)


def tables(entities: int = 100) -> dict[str, ItemTable]:
    entity = np.arange(entities)
    nothing = np.zeros(entities)
    return {
        m: ItemTable(nothing[:, None], nothing, entity, nothing, entity, entity % 4, nothing > 0)
        for m in ("image", "text")
    }


def test_two_fields_of_one_modality_are_ranked_apart() -> None:
    pictures, texts = tables(4)["image"], tables(8)["text"]
    of_title = np.arange(8) < 4
    texts = replace(texts, field=np.where(of_title, 1, 2), entity=np.arange(8) % 4)
    told, silent = np.eye(4), np.zeros((4, 4))
    placed = {"image": told, "text": np.vstack([told, silent])}
    data = DataSet(Path(), "", {}, "entity", (0,), ("photo", "title", "remark"))
    values = fit._rank(placed, {"image": pictures, "text": texts}, data)
    assert {direction for direction, _ in values} == {
        *("photo/title", "title/photo", "photo/remark", "remark/photo", "mean")
    }
    assert values["photo/title", "recall_at_1"] == 1
    assert values["photo/remark", "recall_at_1"] == 0


def test_noise_gives_a_share_of_the_entities_another_class_in_all_modalities() -> None:
    noisy = conditions.apply("label_noise", tables(), 0.3, seed=1)
    assert (noisy["image"].label != tables()["image"].label).sum() == 30
    np.testing.assert_array_equal(noisy["image"].label, noisy["text"].label)


@pytest.mark.parametrize(("amount", "kept"), [(0.01, 4), (0.2, 20), (1.0, 100)])
def test_few_labels_keeps_a_share_of_every_class_and_all_items(amount: float, kept: int) -> None:
    few = conditions.apply("few_labels", tables(), amount, seed=1)
    labels = few["text"].label
    assert (labels >= 0).sum() == kept
    assert set(labels[labels >= 0]) == set(range(4))


def test_a_missing_modality_takes_one_side_of_a_share_of_the_records() -> None:
    left = conditions.apply("missing_modality", tables(), 0.9, seed=1)
    assert sum(len(t.entity) for t in left.values()) == 200 - 90
    assert len(set(left["image"].entity) | set(left["text"].entity)) == 100
