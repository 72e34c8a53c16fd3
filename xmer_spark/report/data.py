"""Everything that the report shows, as plain data.

Whatever is left empty is left out of the page. Arrays may be numpy arrays or lists; NaN is drawn as a gap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from xmer_spark.schema import Modality

Numbers = np.ndarray | Sequence[float]
#: What the truth says of an item in the entity where it is shown. ``missing`` items belong here but were
#: resolved elsewhere; None where the truth is unknown.
Truth = Literal["right", "wrong", "missing"]


@dataclass(frozen=True)
class Measure:
    """A measured value, with the ends of its interval where it is an estimate."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Item:
    """One item as it is shown: its text, its encoded image or its attributes, and what is known of it."""

    item_id: str
    source: str
    modality: Modality
    text: str | None = None
    image: bytes | None = None
    attributes: Mapping[str, str | None] = field(default_factory=dict)
    probability: float | None = None
    truth: Truth | None = None


@dataclass(frozen=True)
class Entity:
    """One resolved entity with its items, and the items that it should have had (``truth="missing"``)."""

    entity_id: str
    title: str
    items: Sequence[Item]
    label: str | None = None
    cohesion: float | None = None
    lowest_link: float | None = None

    @property
    def verdict(self) -> Literal["right", "incomplete", "wrong", "unknown"]:
        """Right where every item belongs here and none is missing; incomplete where one is missing only."""
        truths = {item.truth for item in self.items}
        if "wrong" in truths:
            return "wrong"
        if "missing" in truths:
            return "incomplete"
        return "right" if truths == {"right"} else "unknown"

    @property
    def modality_mix(self) -> str:
        """The modalities of the items that were put together, such as ``image + text``."""
        return " + ".join(sorted({item.modality for item in self.items if item.truth != "missing"}))


@dataclass(frozen=True)
class Gallery:
    """Some of the ``total`` entities, and how they were ``chosen``."""

    entities: Sequence[Entity]
    total: int
    chosen: str = ""


@dataclass(frozen=True)
class ScoredPair:
    """Two items, their match probability (None: never scored) and the evidence by name."""

    left: Item
    right: Item
    probability: float | None
    evidence: Mapping[str, float | None] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Curve:
    """Precision and recall of one modality pair over the threshold, (t) each, and the threshold in force."""

    name: str
    threshold: Numbers
    precision: Numbers
    recall: Numbers
    average_precision: float
    chosen_threshold: float | None = None


@dataclass(frozen=True)
class Calibration:
    """Predicted against observed, by bin, (b) each, of one modality pair."""

    name: str
    probability: Numbers
    observed: Numbers
    low: Numbers
    high: Numbers
    count: Numbers
    error: float


@dataclass(frozen=True)
class Distribution:
    """How many true and false pairs, (b) each, have a match probability between two ``edges`` (b + 1)."""

    name: str
    edges: Numbers
    true: Numbers
    false: Numbers


@dataclass(frozen=True)
class Stage:
    """What is left after one step of the flow, and a remark such as the reduction."""

    name: str
    count: int
    note: str = ""


@dataclass(frozen=True)
class Reject:
    """Inputs refused for one reason, with (key, detail) of some of them."""

    reason: str
    count: int
    examples: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Ranking:
    """Retrieval in one direction: Recall@K by K, and mean average precision."""

    direction: str
    queries: int
    gallery: int
    recall: Mapping[int, Measure]
    mean_average_precision: Measure


@dataclass(frozen=True)
class Confusion:
    """First results in one direction: ``counts`` (c, c), true class by class of the first result."""

    direction: str
    classes: Sequence[str]
    counts: np.ndarray


@dataclass(frozen=True)
class Provenance:
    """Which run, model and table versions the page describes, and where the tables lie."""

    run_id: str
    model_version: str
    warehouse: str
    table_versions: Mapping[str, int]


@dataclass(frozen=True)
class ReportData:
    """The whole report.

    ``facts`` are counts such as items, sources, entities, rejects; ``level`` is that of every interval;
    ``job_seconds`` come in the order in which the jobs ran.
    """

    name: str
    created: str
    facts: Mapping[str, int]
    provenance: Provenance
    description: str = ""
    measures: Sequence[Measure] = ()
    limits: str = ""
    level: float = 0.95
    gallery: Gallery | None = None
    false_pairs: Sequence[ScoredPair] = ()
    missed_pairs: Sequence[ScoredPair] = ()
    curves: Sequence[Curve] = ()
    calibrations: Sequence[Calibration] = ()
    distributions: Sequence[Distribution] = ()
    rankings: Sequence[Ranking] = ()
    confusions: Sequence[Confusion] = ()
    stages: Sequence[Stage] = ()
    job_seconds: Mapping[str, float] = field(default_factory=dict)
    rejects: Sequence[Reject] = ()
