"""What a curve does to the training items: wrong labels, few labels, records without one of their modalities.

Whatever is drawn is drawn by entity, so that an image and its text share their fate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from xmer_spark.steps.train.items import ItemTable

Tables = dict[str, ItemTable]


def apply(condition: str, tables: Tables, amount: float, seed: int) -> Tables:
    """The training items after a share ``amount`` of what ``condition`` names; ``none`` leaves them alone."""
    if condition == "none":
        return tables
    return _CONDITIONS[condition](tables, amount, np.random.default_rng([seed, 20]))


def label_noise(tables: Tables, amount: float, random: np.random.Generator) -> Tables:
    """A share ``amount`` of the entities gets another class than its own, any of them as likely."""
    labels = _label_of_entity(tables)
    classes = int(labels.max()) + 1
    hit = np.flatnonzero(random.permutation(len(labels)) < amount * len(labels))
    labels[hit] = np.where(
        labels[hit] >= 0, (labels[hit] + random.integers(1, max(classes, 2), len(hit))) % classes, -1
    )
    return {m: replace(t, label=labels[t.entity]) for m, t in tables.items()}


def few_labels(tables: Tables, amount: float, random: np.random.Generator) -> Tables:
    """Of each class a share ``amount`` of the entities, one at least, keeps its label; no item goes."""
    labels = _label_of_entity(tables)
    for number in range(int(labels.max()) + 1):
        members = random.permutation(np.flatnonzero(labels == number))
        labels[members[max(1, round(amount * len(members))) :]] = -1
    return {m: replace(t, label=labels[t.entity]) for m, t in tables.items()}


def missing_modality(tables: Tables, amount: float, random: np.random.Generator) -> Tables:
    """A share ``amount`` of the entities loses all items of one modality, any of them as likely."""
    entities = len(_label_of_entity(tables))
    hit = random.permutation(entities) < amount * entities
    lost = random.integers(len(tables), size=entities)
    left = {m: ~(hit & (lost == number)) for number, m in enumerate(sorted(tables))}
    return {m: t.where(left[m][t.entity]) for m, t in tables.items()}


_CONDITIONS: dict[str, Callable[[Tables, float, np.random.Generator], Tables]] = {
    "label_noise": label_noise,
    "few_labels": few_labels,
    "missing_modality": missing_modality,
}


def _label_of_entity(tables: Tables) -> np.ndarray:
    """(entities) class of each entity number, -1 where it has none here."""
    labels = np.full(max(int(t.entity.max(initial=0)) for t in tables.values()) + 1, -1)
    for table in tables.values():
        labels[table.entity] = table.label
    return labels
