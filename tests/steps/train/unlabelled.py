"""Made-up training data without truth: rows of two shops, and pictures and texts that nobody has labelled."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from xmer_spark.config import Config, load_config
from xmer_spark.numerics.records import Records
from xmer_spark.steps.train.data import TrainingData
from xmer_spark.steps.train.items import ItemTable, Known, Sources

ROWS = """
name = "rows"
[[source]]
name = "shop"
kind = "csv"
path = "shop.csv"
key = "key"
one_per_entity = {once}
fields = {{title = {{type = "name"}}, price = {{type = "number"}}}}
[[source]]
name = "web"
kind = "csv"
path = "web.csv"
key = "key"
one_per_entity = {once}
fields = {{title = {{type = "name"}}, price = {{type = "number"}}}}
"""
CONTENTS = """
name = "contents"
[extract]
image = ["colour"]
text = ["tfidf"]
[hashing]
bits = 64
[[source]]
name = "drawn"
kind = "images"
path = "drawn"
one_per_entity = true
[[source]]
name = "painted"
kind = "images"
path = "painted"
one_per_entity = true
[[source]]
name = "told"
kind = "texts"
path = "told"
one_per_entity = true
"""
THINGS = 120
_WORDS = [
    f"{a}{b}" for a in ("bel", "cor", "dan", "fer", "gal", "hum") for b in ("tor", "mia", "nix", "sol", "vek")
]


def rows_config(folder: Path, *replacements: str, once: bool = True) -> Config:
    return _config(folder, ROWS.format(once=str(once).lower()), replacements)


def contents_config(folder: Path, *replacements: str) -> Config:
    return _config(folder, CONTENTS, replacements)


def _config(folder: Path, text: str, replacements: tuple[str, ...]) -> Config:
    path = folder / "unlabelled.toml"
    path.write_text(text)
    return load_config(path, list(replacements))


def rows(source: str, things: np.ndarray, seed: int, first_key: int = 0) -> Known:
    """One row per thing: its words, one of which may be left out, a common one, and its price, about."""
    fixed, own = np.random.default_rng(5), np.random.default_rng(seed)
    words = fixed.integers(0, len(_WORDS), (THINGS, 4))
    prices = fixed.integers(5, 500, THINGS)
    titles, numbers = [], []
    for thing in things:
        chosen = [_WORDS[word] for word in words[thing]]
        if own.random() < 0.3:
            chosen.pop(int(own.integers(4)))
        titles.append(" ".join([*chosen, "set"]))
        numbers.append(str(prices[thing]) if own.random() > 0.2 else None)
    keys = np.arange(len(things)) + first_key
    columns = {"title": np.array(titles, object), "price": np.array(numbers, object)}
    return unknown(Records(source, keys, columns))


def unknown(records: Records) -> Known:
    """Records of which nothing is known: each is an entity of its own."""
    count = len(records)
    return Known(records, records.keys, np.full(count, -1), np.zeros(count, bool))


def of_rows(known: dict[str, Known], pairs: list[tuple[str, str]], alone: frozenset[str]) -> TrainingData:
    sizes = {name: len(each) for name, each in known.items()}
    return TrainingData(
        known,
        {},
        Sources(sorted(known), [], pairs, alone, sizes),
        {},
        0,
        False,
        [each.records for each in known.values()],
    )


def two_shops() -> TrainingData:
    """Two shops that have 80 things of 120 in common, in the order of these things."""
    known = {"shop": rows("shop", np.arange(100), 1), "web": rows("web", np.arange(20, 120), 2, 1000)}
    return of_rows(known, [("shop", "web")], frozenset(known))


def a_careful_and_a_careless_shop() -> TrainingData:
    """A shop that names 100 things once, and one that names 60 of them twice and 40 others once."""
    things = np.concatenate([np.arange(60), np.arange(60), np.arange(80, 120)])
    known = {"shop": rows("shop", np.arange(100), 1), "web": rows("web", things, 2, 1000)}
    return of_rows(known, [("shop", "web"), ("web", "web")], frozenset(["shop"]))


def one_shop() -> TrainingData:
    """A shop that names the first 60 things twice, and 60 others once."""
    things = np.concatenate([np.arange(60), np.arange(120)])
    return of_rows({"shop": rows("shop", things, 3)}, [("shop", "shop")], frozenset())


def titles_alone(data: TrainingData) -> TrainingData:
    """The same without prices."""
    known = {
        name: unknown(Records(name, each.records.keys, {"title": each.records.columns["title"]}))
        for name, each in data.known.items()
    }
    return of_rows(known, data.sources.pairs, data.sources.alone)


def contents(both: bool = False) -> TrainingData:
    """Two sources of pictures and one of texts, of the same things; ``both``: the last has pictures, too."""
    random = np.random.default_rng(0)
    things = random.standard_normal((THINGS, 6))
    names, fields = ["drawn", "painted", "told"], ["image", "text"]
    held = {"image": [0, 1, 2] if both else [0, 1], "text": [2]}
    widths = {"image": {"colour-v1-a": 12}, "text": {"tfidf-v1-b": 10}}
    known = {
        name: unknown(Records(name, np.arange(THINGS) + 1000 * place, _fields(name)))
        for place, name in enumerate(names)
    }
    items = {}
    for modality, own in held.items():
        view = random.standard_normal((6, sum(widths[modality].values())))
        row, source = np.tile(np.arange(THINGS), len(own)), np.repeat(own, THINGS)
        vectors = (things @ view)[row] + 0.2 * random.standard_normal((len(row), view.shape[1]))
        nothing = np.full(len(row), -1)
        items[modality] = ItemTable(
            vectors.astype(np.float32), source, row, np.full(len(row), fields.index(modality)),
            row + 1000 * source, nothing, nothing > 0,
        )  # fmt: skip
    pairs = [("drawn", "painted"), ("drawn", "told"), ("painted", "told")]
    sources = Sources(names, fields, pairs, frozenset(names), dict.fromkeys(names, THINGS))
    return TrainingData(known, items, sources, widths, 0, False, [each.records for each in known.values()])


def _fields(name: str) -> dict[str, np.ndarray]:
    texts = np.array([f"a text of thing {number}" for number in range(THINGS)], object)
    return {"text": texts} if name == "told" else {}
