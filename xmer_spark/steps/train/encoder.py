"""Fits what places items, and works out once what it makes of them.

The walk is always the same: features are prepared, a space is learnt, codes are learnt in it, and the scorer
keeps what it must know of an item's surroundings. What needs pairs comes later, from elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from xmer_spark import hashing, scoring, spaces
from xmer_spark.resolver.model import Resolver
from xmer_spark.steps.train.items import Items, ItemTable, true_pairs

if TYPE_CHECKING:
    from xmer_spark.config import Config

#: Modality -> identity of an extractor -> columns of its vectors, in the order in which they are joined.
Widths = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Encoded:
    """Items with what one resolver makes of them: embeddings and codes by modality, a row per item."""

    resolver: Resolver
    items: Items
    embeddings: Mapping[str, np.ndarray]
    codes: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, resolver: Resolver, items: Items) -> Encoded:
        embeddings = {m: resolver.embed(m, table.vectors) for m, table in items.items()}
        codes = {m: resolver.hasher.codes(m, x) for m, x in embeddings.items()}
        return cls(resolver, items, embeddings, codes)

    def where(self, rows: Mapping[str, np.ndarray]) -> Encoded:
        """The items of these rows, by modality; modalities that are not named are left out."""
        items: dict[str, ItemTable] = {m: self.items[m].where(chosen) for m, chosen in rows.items()}
        embeddings = {m: self.embeddings[m][chosen] for m, chosen in rows.items()}
        codes = {m: self.codes[m][chosen] for m, chosen in rows.items()}
        return Encoded(self.resolver, items, embeddings, codes)

    @cached_property
    def prepared(self) -> dict[str, Any]:
        """The items' part of the evidence of every pair that they will be in, by modality."""
        return {m: self.resolver.scorer.prepare(m, x) for m, x in self.embeddings.items()}


def fit(config: Config, widths: Widths, items: Items) -> Encoded:
    """Everything that is fitted on items, and these items encoded by it; blockers and pairs come later."""
    by_name = {m: {name.split("-v")[0]: width for name, width in each.items()} for m, each in widths.items()}
    blocks = spaces.PREPARATION.build(
        "blocks", {"widths": by_name, **config.space.parameters.get("blocks", {})}
    )
    blocks.fit({m: table.vectors for m, table in items.items()})
    views = {m: blocks.transform(m, table.vectors) for m, table in items.items()}
    labels, pairs = {m: table.label for m, table in items.items()}, true_pairs(items)
    space = spaces.REGISTRY.build(config.space.method, config.space.parameters.get(config.space.method))
    space.fit(views, labels, pairs)
    embeddings = {m: space.transform(m, x) for m, x in views.items()}
    hasher = _hasher(config).fit(embeddings, labels, pairs)
    codes = {m: hasher.codes(m, x) for m, x in embeddings.items()}
    scorer = _scorer(config).fit_items(embeddings, labels)
    extractors = {m: list(each) for m, each in widths.items()}
    return Encoded(Resolver(extractors, blocks, space, hasher, scorer, {}, {}), items, embeddings, codes)


def _hasher(config: Config) -> Any:
    method = config.hashing.method
    common = {"bits": config.hashing.bits, "seed": config.seed}
    return hashing.REGISTRY.build(method, {**common, **config.hashing.parameters.get(method, {})})


def _scorer(config: Config) -> Any:
    settings = config.scoring
    return scoring.REGISTRY.build(
        "logistic",
        {"neighbours": settings.neighbours, "reference": settings.reference, "seed": config.seed},
    )
