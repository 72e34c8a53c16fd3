"""The sections of the configuration that decide what a run does."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from xmer_spark.config.base import Fraction, Parameters, Positive, Section


class Warehouse(Section):
    path: str = Field("warehouse", description="folder (or file system URL) of the Delta tables")


class Tracking(Section):
    uri: str = Field("sqlite:///mlflow.db", description="MLflow tracking and registry URI")
    artifacts: str = Field("mlartifacts", description="folder or URL of MLflow's artifacts")
    experiment: str = "xmer"
    model: str = Field("xmer_resolver", description="name of the registered model")


class Spark(Section):
    master: str | None = Field("local[*]", description="leave out where spark-submit decides")
    driver_memory: str = "4g"
    shuffle_partitions: Positive = 4
    conf: dict[str, str] = Field(default_factory=dict, description="any further Spark settings")


class Ingest(Section):
    null_values: list[str] = Field(
        default_factory=lambda: ["", "null", "none", "nan", "n/a", "na", "#n/a", "nil", "-", "?"],
        description="what means that a value is missing, whatever the case of its letters",
    )
    max_image_pixels: Positive = 40_000_000
    max_file_bytes: Positive = 32 * 2**20
    split: tuple[Fraction, Fraction, Fraction] = Field((0.6, 0.1, 0.3), description="train, validation, test")

    @field_validator("split")
    @classmethod
    def _sums_to_one(cls, value: tuple[float, float, float]) -> tuple[float, float, float]:
        if abs(sum(value) - 1) > 1e-9:
            raise ValueError(f"the three fractions must add up to 1, not {sum(value):g}")
        return value


class Extract(Section):
    image: list[str] = Field(default_factory=lambda: ["efficientnet", "colour"])
    text: list[str] = Field(default_factory=lambda: ["minilm", "tfidf"])
    batch_size: Positive = 64
    device: Literal["auto", "cpu", "cuda"] = "auto"
    decode_threads: Positive = 2
    fit_sample: Positive = Field(50_000, description="training items from which extractors' state is fitted")
    parameters: Parameters = Field(default_factory=dict)


class Space(Section):
    method: str = "cca"
    parameters: Parameters = Field(default_factory=dict)


class Hashing(Section):
    method: str = "itq"
    bits: Positive = 256
    parameters: Parameters = Field(default_factory=dict)

    @field_validator("bits")
    @classmethod
    def _whole_words(cls, value: int) -> int:
        if value % 64:
            raise ValueError(f"must be a multiple of 64, not {value}")
        return value


class BlockerUse(Section):
    """One blocker that is to be used: for two sources, or for all."""

    method: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    pair: str | None = Field(
        None, description="two sources, such as shop/museum; all that are compared if left out"
    )


class Blocking(Section):
    use: list[BlockerUse] = Field(
        default_factory=list,
        description="blockers in their order; where empty, the cheapest that keep enough",
    )
    target_recall: Fraction = Field(
        0.95, description="share of true pairs that the chosen blockers are to keep"
    )
    max_pairs: Positive = Field(
        1_000_000_000, description="candidates of two sources that chosen blockers may propose"
    )
    certificate_pairs: Annotated[int, Field(ge=0)] = Field(
        2_000_000, description="pairs scored exhaustively to certify what blocking kept; 0 for none"
    )
    pairs: list[str] = Field(
        default_factory=list, description="sources to compare, such as shop/museum; all where empty"
    )
    partitions: Positive = 8
    keep_pairs: bool = False


class Scoring(Section):
    method: str = Field(
        "auto", description="auto: boosted or logistic, whichever errs less; with few labels fellegi_sunter"
    )
    parameters: Parameters = Field(default_factory=dict)
    review_threshold: Fraction = Field(
        0.01, description="pairs are kept from this probability on, by themselves or beside their rivals"
    )
    rival_threshold: Fraction = Field(
        0.001, description="pairs from this probability on are weighed against their rivals"
    )
    match_threshold: Fraction | None = Field(None, description="replaces the one chosen on validation")
    neighbours: Positive = Field(10, description="neighbours in the hubness correction")
    reference: Positive = Field(2000, description="reference items per modality in the hubness correction")

    @model_validator(mode="after")
    def _what_is_kept_is_weighed(self) -> Self:
        if self.rival_threshold > self.review_threshold:
            raise ValueError("rival_threshold: at most review_threshold, for what is kept is weighed first")
        return self


class Training(Section):
    again: bool = Field(
        True,
        description="whether a new model is trained where there is one: without, only changes are compared",
    )
    folds: Annotated[int, Field(ge=2)] = Field(3, description="folds of the cross-fitted pair scorer")
    max_records: Positive = Field(
        200_000, description="training records used, drawn by hash; the rest is reported"
    )


class Clustering(Section):
    method: str = Field(
        "auto", description="auto: one_per_source where a source names each thing once, else average_linkage"
    )
    parameters: Parameters = Field(default_factory=dict)
    goal: Literal["pair_f1", "bcubed_f1", "precision"] = Field(
        "pair_f1", description="what validation records are to be put together for; precision: recall at it"
    )
    precision: Fraction = Field(0.95, description="the least share of right pairs, where it is the goal")
    max_driver_edges: int = Field(
        20_000_000, ge=0, description="links above the threshold that one machine holds; more stay in Spark"
    )
    max_component_links: Positive = Field(
        2_000_000, description="links of one component; one with more loses its weakest, and that is reported"
    )
    task_links: Positive = Field(1_000_000, description="links that a Spark task holds at once, about")


class Audit(Section):
    max_without_embedding: Fraction = Field(
        0.05, description="share of the items that a resolution may leave without an embedding"
    )


class Evaluation(Section):
    task: Literal["entity", "class"] = Field("entity", description="what makes two records a true pair")
    recall_at: list[Positive] = Field(default_factory=lambda: [1, 5, 10])
    bootstrap: Positive = 1000
    level: Fraction = 0.95
    max_records: Positive = Field(
        50_000, description="held-out records measured, drawn by entity; the rest is reported"
    )
    queries: Positive = Field(
        2000,
        description="held-out records of a source that rank another's, drawn by hash; the rest is reported",
    )


class Report(Section):
    path: str = "report.html"
    gallery: Positive = 60
