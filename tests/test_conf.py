"""Every configuration that is shipped is run, as it stands but for where its data lies, over little data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobs.benchmark import benchmark
from tests import shops
from tests.slices import ROOT, assert_resolved, run_all, shipped, write_emoji, write_web_news, write_wikipedia
from xmer_spark.cli import JOBS
from xmer_spark.config import load_config
from xmer_spark.store.published import Published
from xmer_spark.store.runs import Context

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CONFIGURATIONS = sorted(path.stem for path in (ROOT / "conf").glob("*.toml"))


@pytest.fixture
def folder(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in with copies of the configurations, whose data lies beside them."""
    (tmp_path / "conf").mkdir()
    for name in CONFIGURATIONS:
        (tmp_path / "conf" / f"{name}.toml").write_text(shipped(name, tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_cluster(folder: Path) -> None:
    write_emoji(folder, every=24)
    here = {
        "warehouse.path": "warehouse",
        "tracking.uri": "sqlite:///mlflow.db",
        "tracking.artifacts": "models",
        "report.path": "report.html",
        "spark.shuffle_partitions": "2",
        "blocking.partitions": "2",
    }
    config = load_config("conf/cluster.toml")
    assert all(path.startswith("/mnt/shared/") for path in (config.warehouse.path, config.report.path))
    replacements = [f"{key}={value}" for key, value in here.items()]
    assert_resolved(run_all(load_config("conf/cluster.toml", replacements)))
    assert (folder / "report.html").is_file()


def run_wikipedia(folder: Path) -> None:
    (folder / "wikipedia").mkdir()
    write_wikipedia(folder / "wikipedia")
    ranked(run_all(load_config("conf/wikipedia.toml")))
    assert (folder / "report-wikipedia.html").is_file()


def run_web_news(folder: Path) -> None:
    (folder / "web_news").mkdir()
    config = load_config("conf/web_news.toml")
    write_web_news(folder / "web_news", config.source[0].labels)
    ranked(run_all(config))
    assert (folder / "report-web-news.html").is_file()


def run_benchmark(folder: Path) -> None:
    (folder / "wikipedia").mkdir()
    write_wikipedia(folder / "wikipedia")
    only = {"data": ["wikipedia"], "methods": ["chance", "cca"], "conditions": ["none", "missing_modality"]}
    replacements = [f"benchmark.only.{kind}={names}" for kind, names in only.items()]
    context = Context(load_config("conf/benchmark.toml", replacements))
    benchmark(context)
    measured = context.warehouse.read("benchmarks").select("method", "condition").distinct().collect()
    assert {tuple(row) for row in measured} == {
        ("chance", "none"),
        ("cca", "none"),
        ("cca", "missing_modality"),
    }
    assert (folder / "report-benchmark.html").is_file()


def run_abt_buy(folder: Path) -> None:
    shops.write_abt_buy(folder / "relational" / "abt_buy")
    assert found("abt_buy") > 0.8


def run_dblp_acm(folder: Path) -> None:
    shops.write_dblp_acm(folder / "relational" / "dblp_acm")
    assert found("dblp_acm") > 0.8


def run_cora(folder: Path) -> None:
    shops.write_cora(folder / "relational" / "cora")
    assert found("cora") > 0.6


def run_catalogue(folder: Path) -> None:
    shops.write_catalogue(folder / "catalogue")
    assert found("catalogue") > 0.1
    published = Published(load_config("conf/catalogue.toml").warehouse.path)
    assert published.query("SELECT 1 FROM entities WHERE len(sources) = 3").num_rows > 10


def found(name: str) -> float:
    """F1 of the pairs that a configuration's run has resolved, after a look at what it has published."""
    context = run_all(load_config(f"conf/{name}.toml"))
    assert_resolved(context)
    assert Path(f"report-{name.replace('_', '-')}.html").is_file()
    measured = context.warehouse.read("metrics").where("name = 'pair_f1/all'").first()
    return float(measured["value"]) if measured else 0.0


RUN: dict[str, Callable[[Path], None]] = {
    "abt_buy": run_abt_buy,
    "benchmark": run_benchmark,
    "catalogue": run_catalogue,
    "cluster": run_cluster,
    "cora": run_cora,
    "dblp_acm": run_dblp_acm,
    "web_news": run_web_news,
    "wikipedia": run_wikipedia,
}


# The demo's is run by the command line, in a process of its own: tests/test_cli.py.
@pytest.mark.parametrize("name", [name for name in CONFIGURATIONS if name != "demo"])
def test_every_configuration_that_is_shipped_runs(name: str, folder: Path) -> None:
    assert name in RUN, f"conf/{name}.toml is run by no test; write one here"
    RUN[name](folder)


def ranked(context: Context) -> None:
    """Every job has published, and what is known of classes orders the other side better than chance."""
    assert {run.job for run in context.runs()} == set(JOBS)
    found = context.warehouse.read("metrics").where("job = 'evaluate' AND name LIKE 'map/%'").collect()
    assert len(found) >= 2
    assert all(row["value"] > 0.2 for row in found)
