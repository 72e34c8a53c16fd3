"""The one typed configuration of every job: a TOML file, with single keys replaced by ``--set``.

An unknown or wrong key is an error that names the key and says what is allowed.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from xmer_spark.errors import ConfigError
from xmer_spark.schema import Modality

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]
#: Parameters of methods, by the method's name: ``[space.parameters.cca]``.
Parameters = dict[str, dict[str, Any]]


class Section(BaseModel):
    """A part of the configuration; refuses keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def hash(self) -> str:
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


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


class Source(Section):
    """Where records come from and how their columns are to be read."""

    name: Name
    kind: Literal["parquet", "csv", "images", "texts", "mat"]
    path: str = Field(description="file or folder; sample:NAME for the data that comes with the package")
    modality: Modality
    one_per_entity: bool = Field(False, description="the source holds each thing at most once")
    key: str | None = Field(None, description="column of the key (parquet, csv, lists)")
    content: str | None = Field(None, description="column of the image bytes, image path or text")
    record: str | None = Field(
        None, description="column of the record's key; the item's own key where left out"
    )
    records: Name | None = Field(
        None,
        description="name shared by sources that hold other items of the same records; else the source's own",
    )
    label: str | None = Field(None, description="column of the class")
    entity: str | None = Field(None, description="column of the true entity")
    split: str | None = Field(None, description="column of the split; without one it is drawn by entity")
    attributes: list[str] = Field(default_factory=list, description="columns kept as attributes")
    listing: str | None = Field(
        None, description="list file of a folder or a mat file, named relative to that folder: a row a file"
    )
    columns: list[str] = Field(
        default_factory=list, description="names of the list file's columns, if it has no header"
    )
    separator: str | None = Field(None, description="of csv and list files; found out where left out")
    pattern: str = Field("{}", description="file of a key in the folder, such as {label}/{key}.jpg")
    labels: list[str] = Field(
        default_factory=list, description="the labels that are allowed; any where left out"
    )
    label_numbers: bool = Field(False, description="the column of the class holds places in labels, from 1")
    variable: str | None = Field(None, description="variable in a mat file")
    fixed_split: Literal["train", "validation", "test"] | None = Field(
        None, description="the split of every record of this source"
    )

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Source:
        table = self.kind in ("parquet", "csv")
        of_kind = {"images": "image", "texts": "text"}.get(self.kind, self.modality)
        problems = {
            "key: name the column of the key": (table or self.listing) and not self.key,
            "content: name the column of the content": table
            and self.modality != "relational"
            and not self.content,
            "attributes: name the columns that matter": self.modality == "relational" and not self.attributes,
            "variable: name the matrix in the mat file": self.kind == "mat" and not self.variable,
            f"modality: of {self.kind} it is {of_kind}": self.modality != of_kind,
            "label_numbers: needs label and labels": self.label_numbers and not (self.label and self.labels),
            "split: leave out either split or fixed_split": self.split and self.fixed_split,
        }
        for message, wrong in problems.items():
            if wrong:
                raise ValueError(message)
        return self


class Ingest(Section):
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
    relational: list[str] = Field(default_factory=list)
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


class Blocking(Section):
    method: str = Field("auto", description="auto: the cheapest that meets target_recall within max_pairs")
    target_recall: Fraction = Field(0.95, description="share of true pairs that auto is to keep")
    max_pairs: Positive = Field(1_000_000_000, description="candidates a modality pair that auto may propose")
    certificate_pairs: Annotated[int, Field(ge=0)] = Field(
        2_000_000, description="pairs scored exhaustively to certify what blocking kept; 0 for none"
    )
    parameters: Parameters = Field(default_factory=dict)
    pairs: list[str] = Field(
        default_factory=list, description="modality pairs to compare, such as image-text; all where empty"
    )
    partitions: Positive = 8
    keep_pairs: bool = False


class Scoring(Section):
    review_threshold: Fraction = Field(0.01, description="pairs of lower probability are not kept")
    match_threshold: Fraction | None = Field(None, description="replaces the one chosen on validation")
    neighbours: Positive = Field(10, description="neighbours in the hubness correction")
    reference: Positive = Field(2000, description="reference items a modality in the hubness correction")


class Training(Section):
    folds: Annotated[int, Field(ge=2)] = Field(3, description="folds of the cross-fitted pair scorer")
    max_items: Positive = Field(
        200_000, description="training items used, drawn by hash; the rest is reported"
    )


class Clustering(Section):
    method: str = "one_per_source"
    parameters: Parameters = Field(default_factory=dict)
    max_driver_edges: int = Field(
        20_000_000, ge=0, description="links above the threshold that one machine holds; more stay in Spark"
    )
    max_component_links: Positive = Field(
        2_000_000, description="links of one component; one with more loses its weakest, and that is reported"
    )
    task_links: Positive = Field(1_000_000, description="links that a Spark task holds at once, about")


class Evaluation(Section):
    task: Literal["entity", "class"] = Field("entity", description="what makes two items a true pair")
    recall_at: list[Positive] = Field(default_factory=lambda: [1, 5, 10])
    bootstrap: Positive = 1000
    level: Fraction = 0.95
    max_items: Positive = Field(
        50_000, description="held-out items measured, drawn by entity; the rest is reported"
    )


class Report(Section):
    path: str = "report.html"
    gallery: Positive = 60


class BenchmarkFeatures(Section):
    """Which extractors, and how their outputs are prepared: one feature setting of a data set."""

    name: Name
    title: str = Field("", description="for the page; the name where left out")
    image: list[str] = Field(default_factory=list)
    text: list[str] = Field(default_factory=list)
    relational: list[str] = Field(default_factory=list)
    blocks: dict[str, Any] = Field(default_factory=dict, description="as in [space.parameters.blocks]")
    survey: Literal["", "Shallow", "CNN", "CNN+SIF"] = Field(
        "", description="the survey's feature setting that it is laid beside"
    )


class BenchmarkData(Section):
    """One data set: a pipeline configuration that says where its items come from and how they are split."""

    name: Name
    title: str = Field("", description="for the page; the name where left out")
    config: str = Field(description="the pipeline configuration, a TOML file")
    sources: list[Name] = Field(
        default_factory=list, description="sources whose held-out items are ranked; all where empty"
    )
    extract: Parameters = Field(default_factory=dict, description="extractors' parameters, over its own")
    features: list[BenchmarkFeatures] = Field(min_length=1)


class BenchmarkMethod(Section):
    """One method: a space with fixed parameters and, in ``grid``, values to choose from on validation.

    One name may come several times, with other parameters on other ``data``.
    """

    name: Name
    title: str = Field("", description="for the page; the name where left out")
    space: str | None = Field(None, description="the space's method; the name where left out")
    parameters: dict[str, Any] = Field(default_factory=dict)
    grid: dict[str, list[Any]] = Field(default_factory=dict, description="parameter = values to try")
    seed: str | None = Field(None, description="the parameter that takes the seed, if the method is random")
    settings: list[Literal["inductive", "transductive"]] = ["inductive"]
    blocks: dict[str, Any] = Field(default_factory=dict, description="over those of the feature setting")
    data: list[Name] = Field(default_factory=list, description="the data sets to run on; all where empty")
    table: bool = Field(True, description="false: a demonstration, which is kept out of comparisons")

    def runs_on(self, data: str) -> bool:
        return not self.data or data in self.data


class BenchmarkCurve(Section):
    """What becomes of methods as something is done to the training items."""

    condition: Literal["label_noise", "few_labels", "missing_modality"]
    amounts: list[Fraction] = Field(min_length=1)
    data: list[Name] = Field(min_length=1)
    features: list[Name] = Field(default_factory=list, description="feature settings; all where empty")
    methods: list[Name] = Field(min_length=1)
    draws: Positive = Field(3, description="random draws of each amount")


class BenchmarkOnly(Section):
    """What of a benchmark to compute now; all where a list is empty."""

    data: list[Name] = Field(default_factory=list)
    features: list[Name] = Field(default_factory=list)
    methods: list[Name] = Field(default_factory=list)
    conditions: list[str] = Field(default_factory=list)


class Benchmark(Section):
    """Data sets by feature settings by methods by seeds."""

    page: str = Field("report-benchmark.html", description="the page that shows the results")
    seeds: Positive = Field(5, description="runs of a method that is random")
    data: list[BenchmarkData] = Field(min_length=1)
    method: list[BenchmarkMethod] = Field(min_length=1)
    curve: list[BenchmarkCurve] = Field(default_factory=list)
    only: BenchmarkOnly = Field(default_factory=BenchmarkOnly)
    again: list[Name] = Field(
        default_factory=list, description="methods to compute again, such as after a change of their code"
    )

    @model_validator(mode="after")
    def _methods_are_unique(self) -> Benchmark:
        for data in self.data:
            names = [method.name for method in self.method if method.runs_on(data.name)]
            repeated = sorted({name for name in names if names.count(name) > 1})
            if repeated:
                raise ValueError(
                    f"method names must be unique on {data.name}; repeated: {', '.join(repeated)}"
                )
        return self

    @model_validator(mode="after")
    def _names_are_known(self) -> Benchmark:
        known = {
            "data": {data.name for data in self.data},
            "features": {features.name for data in self.data for features in data.features},
            "methods": {method.name for method in self.method},
        }
        named = [("again", "methods", self.again)]
        named += [(f"only.{kind}", kind, getattr(self.only, kind)) for kind in known]
        named += [("curve", kind, getattr(curve, kind)) for curve in self.curve for kind in known]
        named += [(f"method.{method.name}", "data", method.data) for method in self.method]
        for place, kind, names in named:
            unknown = sorted(set(names) - known[kind])
            if unknown:
                raise ValueError(
                    f"{place}: unknown {kind} {', '.join(unknown)}; known: {', '.join(sorted(known[kind]))}"
                )
        return self


class Config(Section):
    """The whole configuration."""

    name: Name
    description: str = Field("", description="one sentence for the report")
    seed: int = 7
    warehouse: Warehouse = Field(default_factory=Warehouse)
    tracking: Tracking = Field(default_factory=Tracking)
    spark: Spark = Field(default_factory=Spark)
    source: list[Source] = Field(default_factory=list)
    ingest: Ingest = Field(default_factory=Ingest)
    extract: Extract = Field(default_factory=Extract)
    train: Training = Field(default_factory=Training)
    space: Space = Field(default_factory=Space)
    hashing: Hashing = Field(default_factory=Hashing)
    blocking: Blocking = Field(default_factory=Blocking)
    scoring: Scoring = Field(default_factory=Scoring)
    clustering: Clustering = Field(default_factory=Clustering)
    evaluation: Evaluation = Field(default_factory=Evaluation)
    report: Report = Field(default_factory=Report)
    benchmark: Benchmark | None = None

    @model_validator(mode="after")
    def _has_something_to_read(self) -> Config:
        if not self.source and self.benchmark is None:
            raise ValueError("[[source]]: there must be one at least, or a [benchmark]")
        return self

    @model_validator(mode="after")
    def _names_are_unique(self) -> Config:
        names = [source.name for source in self.source]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"source names must be unique; repeated: {', '.join(repeated)}")
        return self

    @property
    def modalities(self) -> list[Modality]:
        return sorted({source.modality for source in self.source})

    def extractors(self, modality: Modality) -> list[str]:
        return list(getattr(self.extract, modality))


def load_config(path: Path | str, replacements: Iterable[str] = ()) -> Config:
    """Read a TOML file and replace single keys given as ``section.key=value``.

    The value is read as TOML where that is possible, else as a string.
    """
    path = Path(path)
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    for replacement in replacements:
        _replace(document, replacement)
    try:
        return Config.model_validate(document)
    except ValidationError as error:
        raise ConfigError(_explain(path, error)) from None


def _replace(document: dict[str, Any], replacement: str) -> None:
    key, equals, text = replacement.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError(f"--set {replacement}: expected section.key=value")
    target: Any = document
    for done, part in enumerate(parts[:-1], 1):
        if isinstance(target, list):
            target = _named(target, part, ".".join(parts[:done]))
        else:
            target = target.setdefault(part, {})
        if not isinstance(target, (dict, list)):
            raise ConfigError(f"--set {replacement}: {'.'.join(parts[:done])} is a value, not a section")
    if isinstance(target, list):
        raise ConfigError(f"--set {replacement}: name one of the list, as in source.NAME.key=value")
    target[parts[-1]] = _value(text)


def _named(entries: list[Any], name: str, path: str) -> Any:
    for entry in entries:
        if isinstance(entry, dict) and entry.get("name") == name:
            return entry
    known = ", ".join(str(e.get("name")) for e in entries if isinstance(e, dict))
    raise ConfigError(f"--set {path}: no such entry; known: {known}")


def _value(text: str) -> Any:
    """The value of ``--set``: TOML, or else a plain string.

    >>> _value("3"), _value("[1, 2]"), _value("jrl")
    (3, [1, 2], 'jrl')
    """
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _explain(path: Path, error: ValidationError) -> str:
    lines = [f"{path}: the configuration is wrong"]
    for problem in error.errors(include_url=False):
        key = ".".join(str(part) for part in problem["loc"]) or "(whole file)"
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = f"unknown key; allowed here: {', '.join(_allowed(problem['loc']))}"
        elif problem["type"] == "missing":
            message = "missing"
        lines.append(f"  {key}: {message}")
    return "\n".join(lines)


def _allowed(location: tuple[int | str, ...]) -> list[str]:
    """The keys of the section that holds ``location``."""
    section: Any = Config
    for part in location[:-1]:
        if isinstance(part, int):
            continue
        annotation = section.model_fields[part].annotation
        arguments = getattr(annotation, "__args__", (annotation,))
        section = next((a for a in arguments if isinstance(a, type) and issubclass(a, BaseModel)), section)
    return sorted(section.model_fields)


def document_hash(document: Any) -> str:
    """A short hash of any JSON value, the same in every run."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
