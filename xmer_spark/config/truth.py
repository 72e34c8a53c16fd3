"""Truth that is given as pairs: which records of two sources, or of one, are the same thing."""

from __future__ import annotations

from pydantic import Field, model_validator

from xmer_spark.config.base import Name, Section


class Truth(Section):
    """A csv file of pairs; all records that pairs join, directly or not, are one entity."""

    path: str = Field(description="csv file, or its URL; relative to where the job runs")
    left: str = Field(description="column of the key in left_source")
    right: str = Field(description="column of the key in right_source")
    left_source: Name
    right_source: Name = Field(description="may be left_source, where a source holds things twice")
    columns: list[str] = Field(default_factory=list, description="names of the columns without a header")
    separator: str | None = Field(None, description="found out where left out")
    complete: bool = Field(
        True, description="a record that no pair names is a thing of its own; false: nothing is known of it"
    )

    @property
    def sources(self) -> set[str]:
        return {self.left_source, self.right_source}

    @model_validator(mode="after")
    def _has_two_columns(self) -> Truth:
        if self.left == self.right:
            raise ValueError("left and right: name two columns")
        return self
