"""Data and configurations small enough for a test to run every job over them."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xmer_spark.cli import JOBS
from xmer_spark.config import Config
from xmer_spark.store.runs import Context

ROOT = Path(__file__).resolve().parent.parent
#: The jobs that make entities; what comes after only tells of them.
TO_ENTITIES = JOBS[: JOBS.index("resolve") + 1]
#: A JVM that optimises code later than it would, which takes a third of its time where two processes have a
#: core each.
JVM = {
    "spark.driver.extraJavaOptions": "-XX:+UseParallelGC -XX:Tier4InvocationThreshold=40000 "
    "-XX:Tier4MinInvocationThreshold=5000 -XX:Tier4CompileThreshold=120000 "
    "-XX:Tier4BackEdgeThreshold=320000"
}
#: Spark for little data: planning again between stages and compiling code for every plan takes longer than
#: running it, and a checksum beside each of many small commits takes a sixth of the time. What ``xmer run``
#: does in a process of its own has Spark's defaults.
QUICK = {
    **JVM,
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.databricks.delta.writeChecksumFile.enabled": "false",
}
#: The bundled sources, and what each holds.
EMOJI = {"google": "image", "twitter": "image", "cldr": "text", "short_names": "text"}
#: A source of one content, called by its modality.
SOURCE = """
[[source]]
name = "{name}"
kind = "parquet"
path = "{folder}/{name}.parquet"
key = "key"
label = "label"
entity = "entity"
split = "split"
one_per_entity = true
fields = {{{modality} = {{type = "{modality}"}}}}
"""
PLACES = """
[warehouse]
path = "{folder}/warehouse"
[tracking]
uri = "sqlite:///{folder}/mlflow.db"
artifacts = "{folder}/mlartifacts"
[report]
path = "{folder}/report.html"
"""
SMALL = """
name = "small"
[extract]
image = ["colour", "hog"]
text = ["tfidf"]
[extract.parameters.tfidf]
dimensions = 64
[hashing]
bits = 64
[train]
folds = 2
[evaluation]
bootstrap = 50
"""


def write_emoji(folder: Path, every: int) -> None:
    """One in ``every`` of the bundled emoji, as each source has it: a Parquet file per source."""
    for name in EMOJI:
        table = pq.read_table(ROOT / "xmer_spark" / "sample" / f"{name}.parquet")
        entities = pa.array(sorted(set(table["entity"].to_pylist()))[::every])
        pq.write_table(table.filter(pc.is_in(table["entity"], entities)), folder / f"{name}.parquet")


def write_small(folder: Path, every: int = 12) -> Path:
    """A configuration over a slice of the bundled emoji, with extractors that cost little."""
    write_emoji(folder, every)
    sources = (SOURCE.format(name=name, folder=folder, modality=kind) for name, kind in EMOJI.items())
    config = folder / "small.toml"
    config.write_text(SMALL + PLACES.format(folder=folder) + "".join(sources))
    return config


def shipped(name: str, folder: Path) -> str:
    """A configuration that is shipped, with its data in this folder."""
    text = (ROOT / "conf" / f"{name}.toml").read_text("utf-8")
    return re.sub(r'"sample:(\w+)"', rf'"{folder}/\1.parquet"', text).replace("../shared/data", str(folder))


def write_wikipedia(folder: Path, train: int = 120, test: int = 40) -> None:
    """Made-up features of ten classes in the files and the shape of the Wikipedia set."""
    from scipy.io import savemat

    random = np.random.default_rng(0)
    centres = {"I": random.random((10, 128)), "T": random.random((10, 10))}
    matrices = {}
    for part, count in (("tr", train), ("te", test)):
        label = np.arange(count) % 10
        rows = [f"text{part}{n}\timage{part}{n}\t{c + 1}\n" for n, c in enumerate(label)]
        (folder / f"{'train' if part == 'tr' else 'test'}set_txt_img_cat.list").write_text("".join(rows))
        for kind, centre in centres.items():
            near = centre[label] + 3.0 * random.random((count, centre.shape[1]))
            matrices[f"{kind}_{part}"] = near / near.sum(axis=1, keepdims=True)
    savemat(folder / "raw_features.mat", matrices)


def write_web_news(folder: Path, labels: list[str], train: int = 60, test: int = 20) -> None:
    """Made-up photographs and Chinese texts of these classes in the files and the shape of Web_News."""
    from PIL import Image

    random = np.random.default_rng(0)
    words = ["桥梁", "森林", "股票", "学校", "外交", "军队", "居民", "会议", "卫星", "足球"]
    others = ["国庆", "施工", "一线", "建设", "记者", "今天", "报道", "进行", "表示", "中国"]
    (folder / "texts").mkdir()
    for part, numbers in (("train", range(train)), ("test", range(train, train + test))):
        rows = [f"{n}\t{n}\t{n % len(labels) + 1}\n" for n in numbers]
        (folder / f"{part}set_txt_img_cat.list").write_text("".join(rows))
        for n in numbers:
            label = n % len(labels)
            chosen = random.choice([words[label]] * 10 + others, 30)
            (folder / "texts" / f"{n}.txt").write_text("，".join(chosen))
            pixels = random.integers(0, 60, (32, 32, 3)) + 18 * label
            path = folder / "images" / labels[label] / f"{n}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(path)


def run_all(config: Config, jobs: Sequence[str] = JOBS) -> Context:
    """Every job of a configuration, or these, in one context."""
    context = Context(config)
    for name in jobs:
        getattr(importlib.import_module(f"jobs.{name}"), name)(context)
    return context


def assert_resolved(context: Context) -> None:
    """Every job has published, and each record is in one entity."""
    assert {run.job for run in context.runs()} == set(JOBS)
    records, entities = (context.warehouse.read(name) for name in ("records", "entities"))
    assert entities.groupBy().sum("size").first()[0] == records.count() > 100
    assert not context.warehouse.read("matches").isEmpty()


def xmer_run(folder: Path) -> str:
    """What ``xmer run`` prints on both streams, in a process of its own in that folder."""
    command = [sys.executable, "-m", "xmer_spark.cli", "run", "--config", "demo.toml"]
    done = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
