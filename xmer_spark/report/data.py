"""Everything that the report shows, as plain data.

Whatever is left empty is left out of the page. Arrays may be numpy arrays or lists; NaN is drawn as a gap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from xmer_spark.names import kind_name, mix_name
from xmer_spark.schema import Modality

Numbers = np.ndarray | Sequence[float]
#: What the truth says of a record in the entity where it is shown. ``missing`` records belong here but were
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
class Content:
    """One content of a record as it is shown: a text, or an encoded image; neither where it is a vector."""

    field: str
    modality: Modality
    text: str | None = None
    image: bytes | None = None


@dataclass(frozen=True)
class Record:
    """One record as it is shown: its contents and its scalar fields, and what is known of it."""

    record_id: str
    source: str
    contents: Sequence[Content] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    probability: float | None = None
    truth: Truth | None = None

    @property
    def kind(self) -> str:
        return kind_name(content.modality for content in self.contents)

    @property
    def is_picture(self) -> bool:
        """Whether there is nothing to read: such a record needs little room."""
        return bool(self.contents) and all(c.image is not None for c in self.contents) and not self.fields


@dataclass(frozen=True)
class Entity:
    """One resolved entity with its records, and those that it should have had (``truth="missing"``)."""

    entity_id: str
    title: str
    records: Sequence[Record]
    label: str | None = None
    cohesion: float | None = None
    lowest_link: float | None = None

    @property
    def verdict(self) -> Literal["right", "incomplete", "wrong", "unknown"]:
        """Right where every record belongs here and none is missing; incomplete where one is missing only."""
        truths = {record.truth for record in self.records}
        if "wrong" in truths:
            return "wrong"
        if "missing" in truths:
            return "incomplete"
        return "right" if truths == {"right"} else "unknown"

    @property
    def mix(self) -> str:
        """The kinds of the records that were put together, such as ``image-row``."""
        return mix_name(record.kind for record in self.records if record.truth != "missing")


@dataclass(frozen=True)
class Gallery:
    """Some of the ``total`` entities, and how they were ``chosen``."""

    entities: Sequence[Entity]
    total: int
    chosen: str = ""


@dataclass(frozen=True)
class ScoredPair:
    """Two records, what was decided of them (None: never scored), and the evidence by name.

    ``decided`` is the match probability beside the pair's rivals, ``probability`` that of the pair by itself.
    """

    left: Record
    right: Record
    decided: float | None
    probability: float | None = None
    evidence: Mapping[str, float | None] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Curve:
    """Precision and recall of one pair of kinds over the threshold, (t) each, and the threshold in force."""

    name: str
    threshold: Numbers
    precision: Numbers
    recall: Numbers
    average_precision: float
    chosen_threshold: float | None = None


@dataclass(frozen=True)
class Calibration:
    """Predicted against observed, by bin, (b) each, of one pair of kinds."""

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
class Judged:
    """How probabilities came true, by pair of kinds."""

    curves: Sequence[Curve] = ()
    calibrations: Sequence[Calibration] = ()
    distributions: Sequence[Distribution] = ()


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
class Breakdown:
    """Measures of a part of the truth: a pair of kinds, or the entities that hold certain kinds."""

    name: str
    measures: Sequence[Measure]
    entities: int | None = None


@dataclass(frozen=True)
class Ranking:
    """Retrieval in one direction: Recall@K by K, and mean average precision.

    ``not_ranked`` queries were not drawn.
    """

    direction: str
    queries: int
    gallery: int
    recall: Mapping[int, Measure]
    mean_average_precision: Measure
    not_ranked: int = 0


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

    ``facts`` are counts such as records, sources, entities, rejects; ``level`` is that of every interval;
    ``decided`` is about probabilities beside a pair's rivals, ``by_itself`` about those of pairs by
    themselves; ``job_seconds`` come in the order in which the jobs ran.
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
    by_kinds: Sequence[Breakdown] = ()
    by_holding: Sequence[Breakdown] = ()
    decided: Judged = Judged()
    by_itself: Judged = Judged()
    rankings: Sequence[Ranking] = ()
    confusions: Sequence[Confusion] = ()
    stages: Sequence[Stage] = ()
    job_seconds: Mapping[str, float] = field(default_factory=dict)
    rejects: Sequence[Reject] = ()
