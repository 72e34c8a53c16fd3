"""The section that says what a benchmark compares: data sets by feature settings by methods by seeds."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from xmer_spark.config.base import Fraction, Name, Parameters, Positive, Section

#: Whether a method sees the test items, without their labels, when it is fitted.
Setting = Literal["inductive", "transductive"]


class BenchmarkFeatures(Section):
    """Which extractors, and how their outputs are prepared: one feature setting of a data set."""

    name: Name
    title: str = Field("", description="for the page; the name where left out")
    image: list[str] = Field(default_factory=list)
    text: list[str] = Field(default_factory=list)
    blocks: dict[str, Any] = Field(default_factory=dict, description="as in [space.parameters.blocks]")
    survey: Literal["", "Shallow", "CNN", "CNN+SIF"] = Field(
        "", description="the survey's feature setting that it is laid beside"
    )


class BenchmarkData(Section):
    """One data set: a pipeline configuration that says where its records come from and how they are split."""

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
    settings: list[Setting] = Field(default_factory=lambda: list[Setting](["inductive"]))
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


class BenchmarkTables(Section):
    """Two tables of rows, or one that names things twice, whole or with the field's splits of pairs.

    The first column of a table is the key. The two are protocols of their own: no labels and all pairs of
    whole tables with their ``truth``, or the pairs that are given in ``splits``.
    """

    name: Name
    title: str = Field("", description="for the page; the name where left out")
    left: str = Field("", description="csv file of whole tables")
    right: str = Field("", description="csv file; left out where a table is compared with itself")
    truth: str = Field("", description="csv file of the pairs of keys that are one thing")
    splits: str = Field("", description="folder of tableA, tableB, train, valid and test, all .csv")
    separator: str = ","
    leave_out: list[str] = Field(default_factory=list, description="columns that tell the truth")

    @model_validator(mode="after")
    def _is_of_one_protocol(self) -> BenchmarkTables:
        if bool(self.splits) == bool(self.left) or bool(self.left) != bool(self.truth):
            raise ValueError("name either left and truth of whole tables, or the folder of the splits")
        return self


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
    relational: list[BenchmarkTables] = Field(default_factory=list)
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
            "data": {data.name for data in self.data} | {tables.name for tables in self.relational},
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
