"""Fits what places items, and works out once what it makes of them.

The walk is always the same: features are prepared, a space is learnt, codes are learnt in it, and what is to
be known of an item's surroundings. What needs pairs of records comes later, from elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from xmer_spark import hashing, spaces
from xmer_spark.comparisons.space import Surroundings
from xmer_spark.numerics.records import CODE, EMBEDDING, SURROUNDINGS, Records, scattered
from xmer_spark.numerics.views import Pairs
from xmer_spark.resolver.encoder import Encoder
from xmer_spark.steps.train.items import Items, Known, Sources, true_pairs

if TYPE_CHECKING:
    from xmer_spark.config import Config

#: Modality -> identity of an extractor -> columns of its vectors, in the order in which they are joined.
Widths = Mapping[str, Mapping[str, int]]


def fit(config: Config, widths: Widths, items: Items) -> Encoder | None:
    """Everything that is fitted on items; None where there are none.

    Where nothing tells how the modalities belong together, each has a space of its own.
    """
    if not items:
        return None
    by_name = {m: {name.split("-v")[0]: width for name, width in each.items()} for m, each in widths.items()}
    blocks = spaces.PREPARATION.build(
        "blocks", {"widths": by_name, **config.space.parameters.get("blocks", {})}
    )
    blocks.fit({m: table.vectors for m, table in items.items()})
    views = {m: blocks.transform(m, table.vectors) for m, table in items.items()}
    labels, pairs = {m: table.label for m, table in items.items()}, true_pairs(items)
    space = spaces.REGISTRY.build(config.space.method, config.space.parameters.get(config.space.method))
    shared = _teach(items, pairs) or not space.learns
    if not shared:
        space = spaces.REGISTRY.build("separate")
    space.fit(views, labels, pairs)
    embeddings = {m: space.transform(m, x) for m, x in views.items()}
    hasher = _hasher(config).fit(embeddings, labels, pairs)
    surroundings = _surroundings(config, shared).fit(embeddings, labels)
    extractors = {m: list(each) for m, each in widths.items()}
    return Encoder(extractors, blocks, space, hasher, surroundings)


def placed(
    encoder: Encoder | None, known: Mapping[str, Known], items: Items, sources: Sources
) -> dict[str, Known]:
    """The records with what the encoder makes of their contents, as further columns."""
    columns: dict[str, dict[str, np.ndarray]] = {name: dict(k.records.columns) for name, k in known.items()}
    for modality, table in items.items() if encoder is not None else ():
        assert encoder is not None
        found = encoder.encode(modality, table.vectors)
        for s, f in sorted(set(zip(table.source.tolist(), table.field.tolist(), strict=True))):
            rows = np.flatnonzero((table.source == s) & (table.field == f))
            name, field = sources.names[s], sources.fields[f]
            if name not in known:
                continue
            for suffix, values in zip((EMBEDDING, SURROUNDINGS, CODE), found.where(rows), strict=True):
                columns[name][field + suffix] = scattered(table.row[rows], values, len(known[name]))
    return {
        name: Known(Records(name, k.records.keys, columns[name]), k.entity, k.label, k.validation)
        for name, k in known.items()
    }


def _teach(items: Items, pairs: Pairs) -> bool:
    """Whether a space can be learnt: every modality shares things, or else classes, with another one.

    Of one modality alone, two items have to be of one thing or one class.
    """
    if len(items) == 1:
        ((_, table),) = items.items()
        known = table.label[table.label >= 0]
        return bool(pairs) or len(np.unique(known)) < len(known)
    paired = {m for names in pairs if len(set(names)) > 1 for m in names}
    classes = [set(table.label[table.label >= 0].tolist()) for table in items.values()]
    return paired == set(items) or bool(set.intersection(*classes))


def _hasher(config: Config) -> Any:
    method = config.hashing.method
    common = {"bits": config.hashing.bits, "seed": config.seed}
    return hashing.REGISTRY.build(method, {**common, **config.hashing.parameters.get(method, {})})


def _surroundings(config: Config, shared: bool) -> Surroundings:
    settings = config.scoring
    return Surroundings(
        neighbours=settings.neighbours, reference=settings.reference, shared=shared, seed=config.seed
    )
