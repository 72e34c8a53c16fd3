"""The data sets of the hashing benchmark: what is learnt from and ranked, and the space it is placed in.

Wikipedia: square roots of the original features, as they were published. Web_News and the emoji (Google's
pictures and their names): features that ``xmer benchmark`` has extracted, prepared as its setting says.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from tests.benchmarks import published_items
from tests.benchmarks.published_items import Tables
from xmer_spark.config import load_config
from xmer_spark.evaluation import ranking
from xmer_spark.steps.benchmark.fit import prepared
from xmer_spark.steps.benchmark.plan import candidates
from xmer_spark.steps.train.items import ItemTable

WIKIPEDIA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "wikipedia"
VALIDATION_SHARE = 0.2
#: The best of these on validation documents. Texts have 10 features, and so has the space at most.
CCA: dict[str, list[Any]] = {
    "dimensions": [6, 8, 10],
    "regularisation": [0.01, 0.1, 1.0],
    "power": [0.0, 0.5, 1.0],
}
#: What ``xmer benchmark`` chose for Web_News on its validation documents.
KCCA = {
    "landmarks": 1000, "components": 200, "dimensions": 40, "regularisation": 0.1, "class_weight": 3.0,
}  # fmt: skip


class Split(NamedTuple):
    """What is learnt from, what is ranked, and what makes a result right."""

    train: Tables
    test: Tables
    relevance: Literal["label", "entity"]


class Data(NamedTuple):
    """A data set parted for choosing parameters and for the final figures, and its space."""

    part: Split
    whole: Split
    space: str
    parameters: dict[str, Any]

    def placed(self, split: Split) -> Split:
        """The split in the common space that is fitted on what is learnt from."""
        train, test = published_items.placed(split.train, split.test, self.space, self.parameters)
        return split._replace(train=train, test=test)


def wikipedia() -> Data:
    from scipy.io import loadmat

    if not WIKIPEDIA.is_dir():
        raise FileNotFoundError(WIKIPEDIA)
    mat = loadmat(WIKIPEDIA / "raw_features.mat")
    labels = {
        part: np.loadtxt(WIKIPEDIA / f"{part}set_txt_img_cat.list", dtype=str, delimiter="\t")[:, 2].astype(
            int
        )
        for part in ("train", "test")
    }
    train, test = (
        {m: _table(np.sqrt(mat[f"{m[0].upper()}_{part[:2]}"]), labels[part]) for m in ("image", "text")}
        for part in ("train", "test")
    )
    held_out = np.random.default_rng(0).random(len(labels["train"])) < VALIDATION_SHARE
    part = Split(
        {m: t.where(~held_out) for m, t in train.items()},
        {m: t.where(held_out) for m, t in train.items()},
        "label",
    )
    whole = Split(train, test, "label")
    return Data(part, whole, "cca", max(candidates(CCA), key=lambda p: _map(Data(part, whole, "cca", p))))


def _table(x: np.ndarray, labels: np.ndarray) -> ItemTable:
    """Aligned documents: the row is the thing that is shown."""
    rows, zeros = np.arange(len(x)), np.zeros(len(x), np.int64)
    return ItemTable(x, zeros, rows, zeros, rows, labels, zeros > 0)


def _map(data: Data) -> float:
    """From image to text, between validation documents, in the space."""
    image, text = (data.placed(data.part).test[m] for m in ("image", "text"))
    similarity = ranking.inner_product(image.vectors, text.vectors)
    return float(ranking.rank(similarity, image.label, text.label).average_precision.mean())


def web_news() -> Data:
    return _published("web_news", "cnn_sif", "kcca", KCCA)


def demo() -> Data:
    space = load_config("conf/demo.toml").space
    return _published("demo", "demo", space.method, space.parameters[space.method])


def _published(name: str, features: str, space: str, parameters: dict[str, Any]) -> Data:
    """A data set under a feature setting of ``conf/benchmark.toml``, from the benchmark's own tables."""
    config = load_config("conf/benchmark.toml")
    assert config.benchmark is not None
    data = next(data for data in config.benchmark.data if data.name == name)
    setting = next(setting for setting in data.features if setting.name == features)
    warehouse = Path(config.warehouse.path) / "data" / name
    if not warehouse.is_dir():
        raise FileNotFoundError(f"{warehouse}; run `xmer benchmark`")
    extractors = {"image": setting.image, "text": setting.text}
    views = published_items.read(str(warehouse), extractors, data.sources)
    relevance: Literal["label", "entity"] = "entity" if name == "demo" else "label"
    splits = {
        fold: Split(*prepared(train, test, views.widths, setting.blocks), relevance)
        for fold, (train, test) in published_items.parted(views).items()
    }
    return Data(splits["validation"], splits["test"], space, parameters)


DATA: dict[str, Callable[[], Data]] = {"wikipedia": wikipedia, "web_news": web_news, "demo": demo}
