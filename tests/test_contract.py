"""What every method of every registry promises, whatever it does: a new one is covered as it is registered.

Equality is to the last bit. It holds for the fitted state on any number of threads and for any layout of the
training data in memory, and for a row in any company. All on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from tests.blocking.records import world
from tests.features import small_models
from xmer_spark import blocking, clustering, comparisons, features, hashing, scoring, spaces
from xmer_spark.blocking import records as record_blocking
from xmer_spark.blocking.records.base import Records
from xmer_spark.blocking.records.joint import marked
from xmer_spark.method import Method, Registry
from xmer_spark.numerics.hamming import pack

#: Results by name, a row per item or pair.
Results = dict[str, np.ndarray]
#: Which of the new items are asked for, in which order.
Rows = np.ndarray

TRAINED, NEW, WIDTH = 330, 300, 40
CLASSES = np.arange(TRAINED) % 3
MODALITIES = ("image", "text")


@cache
def vectors(count: int, seed: int) -> dict[str, np.ndarray]:
    """Two noisy images of the same causes, whose classes take turns; histograms, so nothing is negative."""
    random = np.random.default_rng(seed)
    causes = 2.0 * np.eye(3, 8)[np.arange(count) % 3] + random.random((count, 8))
    maps = np.random.default_rng(0).random((2, 8, WIDTH))
    noise = 0.3 * random.random((2, count, WIDTH))
    return dict(zip(MODALITIES, (causes @ maps + noise).astype(np.float32), strict=True))


@cache
def codes(count: int, seed: int) -> np.ndarray:
    bits = np.random.default_rng(seed).random((count, 64)) < 0.5
    return pack(bits)


def training(order: str) -> dict[str, np.ndarray]:
    return {m: np.asarray(x, order=order) for m, x in vectors(TRAINED, 1).items()}  # type: ignore[call-overload]


def fit_views(method: Any, order: str) -> None:
    method.fit(training(order), dict.fromkeys(MODALITIES, CLASSES))


def place_rows(method: Any, rows: Rows) -> Results:
    return {m: method.transform(m, x[rows]) for m, x in vectors(NEW, 2).items()}


def hash_rows(method: Any, rows: Rows) -> Results:
    return {m: method.codes(m, x[rows]) for m, x in vectors(NEW, 2).items()}


EVIDENCE = ["title~title/token_set", "title~title/jaro_winkler", "price~price/near", "photo~photo/cosine"]


@cache
def evidence(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Measures of pairs, of which a third match and a fifth is missing, and the truth."""
    random = np.random.default_rng(seed)
    truth = np.arange(count) % 3 == 0
    found = 1 / (1 + np.exp(2 - 3 * truth[:, None] - random.standard_normal((count, len(EVIDENCE)))))
    found[random.random(found.shape) < 0.2] = np.nan
    return found.astype(np.float32), truth.astype(float)


def fit_scorer(method: Any, order: str) -> None:
    found, truth = evidence(TRAINED, 1)
    method.fit(np.asarray(found, order=order), EVIDENCE, truth)  # type: ignore[call-overload]


def score_rows(method: Any, rows: Rows) -> Results:
    found = evidence(NEW, 2)[0][rows]
    return {
        "log-odds": method.log_odds(found),
        "probability": method.probability(found),
        "contributions": method.contributions(found),
    }


@cache
def column(count: int, seed: int) -> np.ndarray:
    """Values that are each something to a few of the comparisons, or missing."""
    values = [
        None, "2020-02", "2021-03-01", "3.5", "-7", '["a", "b"]', '["b"]', "1,2", "1,2.001", "a-1 b",
        "Red apple", "red apple pie 7", "京都", " ",
    ]  # fmt: skip
    return np.array(values, object)[np.random.default_rng(seed).integers(0, len(values), count)]


def fit_comparison(method: Any, order: str) -> None:
    method.fit(np.asarray(column(TRAINED, 1), order=order))  # type: ignore[call-overload]


def compare_rows(method: Any, rows: Rows) -> Results:
    left, right = (method.prepare(column(NEW, seed)[rows]) for seed in (2, 3))
    own = np.arange(len(rows))
    return {"measures": method.compare(left, right, own, own)}


@cache
def products(seed: int) -> Records:
    return world.products(NEW, seed)


def fit_record_blocker(method: Any, order: str) -> None:
    method.fit(products(1), products(2))


def block_records(method: Any, rows: Rows) -> Results:
    """Whether the chosen records meet their namesakes; marks are those that they have among all records."""
    left, right = marked(method, products(1), products(2))
    thing = [np.argsort(world.things(products(seed)), kind="stable") for seed in (1, 2)]
    i, j = (place[rows].astype(np.int32) for place in thing)
    own = np.arange(len(rows))
    a, b = method.take(left, i), method.take(right, j)
    return {"meets": method.meets(a, b, own, own)}


@cache
def contents(kind: str) -> Sequence[Any]:
    """Contents of several lengths and looks; some bring nothing to extract."""
    from tests.features.test_extractors import png

    random = np.random.default_rng(3)
    if kind == "vector":
        return random.random((24, 7)).tolist()  # type: ignore[no-any-return]
    if kind == "image":
        colours = random.integers(0, 255, (24, 3)).tolist()
        return [png(tuple(c), "disc" if i % 2 else "bar", 24 + i) for i, c in enumerate(colours)]
    words = "red green apple train railway cat pet steam smile 北京大学 the of and"
    return ["", *(" ".join(random.choice(words.split(), 1 + i)) for i in range(23))]


def fit_extractor(method: Any, order: str) -> None:
    labels = ["a" if i % 2 else "b" for i in range(24)]
    method.fit(contents(method.content), labels)


def extract_rows(method: Any, rows: Rows) -> Results:
    found = contents(method.content)
    return {"vectors": method.extract([found[i] for i in rows])}


def fit_blocker(method: Any, order: str) -> None:
    method.fit(np.asarray(codes(TRAINED, 1), order=order), codes(TRAINED, 2))  # type: ignore[call-overload]


def block_rows(method: Any, rows: Rows) -> Results:
    near = codes(NEW, 3).copy()
    near[:, 0] ^= np.uint64(0b101)
    return {"hits": method.hits(codes(NEW, 3), near, rows, rows)}


def cluster_all(method: Any, rows: Rows) -> Results:
    """Which records are with the record before; a clusterer sees all records, in whichever order."""
    random = np.random.default_rng(4)
    edges, probability = random.integers(0, NEW, (400, 2)), random.random(400)
    keys, source, place = np.arange(NEW), np.arange(NEW) % 4, np.argsort(rows)
    if len(rows) < NEW:
        return {}
    labels = method.cluster(NEW, place[edges], probability, source[rows], keys[rows])
    first = np.full(NEW, NEW)
    np.minimum.at(first, labels, rows)
    return {"least key": first[labels]}


@dataclass(frozen=True)
class Room:
    """How the methods of a registry are fitted, and what they then give for rows of new items.

    ``parameters`` make some of them quick, or have them do what their defaults leave out.
    """

    registry: Registry
    fit: Callable[[Any, str], None]
    results: Callable[[Any, Rows], Results]
    parameters: dict[str, dict[str, Any]]
    new: int = NEW


SHORT = {"epochs": 3, "device": "cpu"}
ROOMS = {
    "spaces": Room(
        spaces.REGISTRY,
        fit_views,
        place_rows,
        {
            "acmr": {"hidden": [32], "training": SHORT},
            "cdpae": {"hidden": [32], "training": SHORT},
            "ensemble": {"spaces": {"cca": {}, "regression": {"landmarks": 100}}},
            "jrl": {"neighbours": 10, "votes": 20},
            "pretrained": {"adapter": "residual", "training": SHORT},
            "semantic_matching": {
                "classifiers": ["logistic", "kernel_logistic", "extra_trees"],
                "taught": 0.5,
                "landmarks": 100,
                "components": 40,
                "trees": 20,
            },
        },
    ),
    "preparation": Room(
        spaces.PREPARATION,
        lambda method, order: method.fit(training(order)),
        place_rows,
        {"blocks": {"widths": {m: {"one": 15, "other": 25} for m in MODALITIES}, "root": ["one"]}},
    ),
    "hashing": Room(
        hashing.REGISTRY,
        fit_views,
        hash_rows,
        {name: {"bits": 32} for name in hashing.REGISTRY.methods} | {"dcmh": {"bits": 32, "rounds": 3}},
    ),
    "features": Room(
        features.REGISTRY,
        fit_extractor,
        extract_rows,
        {
            "bilstm": {"epochs": 1, "hidden": 16},
            "efficientnet": {"pixels": 64},
            "gist": {"pixels": 32},
            "lda": {"topics": 3, "passes": 2},
            "minilm": {"tokens": 20},
            "sif": {"vectors": "word2vec"},
            "sift": {"words": 10},
        },
        new=24,
    ),
    "scoring": Room(scoring.REGISTRY, fit_scorer, score_rows, {}),
    "clustering": Room(clustering.REGISTRY, lambda method, order: None, cluster_all, {}),
    "blocking": Room(blocking.REGISTRY, fit_blocker, block_rows, {"cells": {"cells": 16}}),
    "comparisons": Room(comparisons.REGISTRY, fit_comparison, compare_rows, {}),
    "records": Room(record_blocking.REGISTRY, fit_record_blocker, block_records, world.PARAMETERS),
}
CASES = [(room, name) for room, of in ROOMS.items() for name in sorted(of.registry.methods)]
every_method = pytest.mark.parametrize(("room", "name"), CASES, ids=map("-".join, CASES))


@pytest.fixture(scope="module")
def local_models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Any]]:
    """The parameters of extractors around a model in a local folder, where their package is installed."""
    saving = {
        "clip": ("transformers", small_models.save_clip, {"modality": "text"}),
        "sentence": ("sentence_transformers", small_models.save_sentence, {}),
        "timm": ("timm", small_models.save_timm, {"pixels": 64}),
    }

    @cache
    def parameters(name: str) -> dict[str, Any]:
        if name not in saving:
            return {}
        package, save, others = saving[name]
        pytest.importorskip(package, reason=f"{package} is optional")
        return {"folder": str(save(tmp_path_factory.mktemp(name))), **others}

    return parameters


class Built:
    """Methods of the table, built, and fitted once where the test is content with that."""

    def __init__(self, local_models: Callable[[str], dict[str, Any]]) -> None:
        self.local_models = local_models
        self.fitted = cache(self.fit)

    def new(self, room: str, name: str) -> Any:
        parameters = ROOMS[room].parameters.get(name, {})
        return ROOMS[room].registry.build(name, {**parameters, **self.local_models(name)})

    def fit(self, room: str, name: str, order: str = "C") -> Any:
        method = self.new(room, name)
        ROOMS[room].fit(method, order)
        return method


@pytest.fixture(scope="module")
def built(local_models: Callable[[str], dict[str, Any]]) -> Built:
    return Built(local_models)


@contextmanager
def threads(count: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    with threadpool_limits(count):
        torch.set_num_threads(count)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def assert_same_results(one: Results, other: Results) -> None:
    assert set(one) == set(other)
    for name, values in one.items():
        assert values.dtype == other[name].dtype
        np.testing.assert_array_equal(values, other[name], err_msg=name)


def assert_same_state(one: Method, other: Method) -> None:
    np.testing.assert_equal(one.state(), other.state())  # nested, and NaN equals NaN
    assert layout(one.state()) == layout(other.state())


def layout(value: Any) -> Any:
    """The types of a nested value, and how its arrays lie in memory."""
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape, value.flags.c_contiguous
    if isinstance(value, dict):
        return {name: layout(part) for name, part in value.items()}
    return [layout(part) for part in value] if isinstance(value, list) else type(value)


@every_method
def test_the_constructor_stores_its_parameters_and_does_nothing_else(room: str, name: str) -> None:
    cls = ROOMS[room].registry.method(name)
    given = {parameter: object() for parameter in cls.parameter_names()}
    assert vars(cls(**given)) == given


@every_method
def test_a_fit_repeats_on_any_number_of_threads(room: str, name: str, built: Built) -> None:
    first = built.fitted(room, name)
    rows = np.arange(ROOMS[room].new)
    for count in (1, 2):
        with threads(count):
            again = built.fit(room, name)
            assert_same_state(again, first)
            assert_same_results(ROOMS[room].results(again, rows), ROOMS[room].results(first, rows))


@every_method
def test_a_fit_does_not_hang_on_how_the_training_data_lie_in_memory(
    room: str, name: str, built: Built
) -> None:
    assert_same_state(built.fit(room, name, "F"), built.fitted(room, name))


@every_method
def test_a_loaded_method_is_what_was_saved(room: str, name: str, built: Built) -> None:
    method, rows = built.fitted(room, name), np.arange(ROOMS[room].new)
    with TemporaryDirectory() as folder:
        method.save(folder)
        loaded = ROOMS[room].registry.load(Path(folder))
    assert_same_state(loaded, method)
    assert_same_results(ROOMS[room].results(loaded, rows), ROOMS[room].results(method, rows))


@every_method
def test_a_row_comes_out_the_same_in_any_company(room: str, name: str, built: Built) -> None:
    method, results = built.fitted(room, name), ROOMS[room].results
    whole = results(method, np.arange(ROOMS[room].new))
    mixed = np.random.default_rng(5).permutation(ROOMS[room].new)
    for rows in (mixed, mixed[:19], mixed[19:], *mixed[:4, None]):
        found = results(method, rows)
        assert_same_results(found, {m: x[rows] for m, x in whole.items() if m in found})
