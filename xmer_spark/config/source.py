"""A source of records and its typed fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field as Setting
from pydantic import model_validator

from xmer_spark.config.base import Name, Section
from xmer_spark.schema import CONTENT_TYPES, ContentType, Modality, ScalarType

#: The kinds of input, and the one content of those that may leave their fields out.
Kind = Literal["parquet", "csv", "json", "delta", "images", "texts", "mat"]
_ONLY_CONTENT: Mapping[str, ContentType] = {"images": "image", "texts": "text"}


class Field(Section):
    """One field of a source's records: what it means, and where its value stands."""

    type: ContentType | ScalarType
    column: str | None = Setting(
        None, description="column of the value; the one of the field's name if left out"
    )
    columns: list[str] = Setting(
        default_factory=list,
        description="columns of a value of several parts: latitude and longitude, or what a text tells",
    )
    file: str | None = Setting(
        None, description="file of the content, from the record's columns: photos/{sku}.jpg"
    )
    variable: str | None = Setting(None, description="matrix of the vectors in a mat file")
    modality: Modality | None = Setting(None, description="of what a vector was computed: image or text")
    separator: str | None = Setting(None, description="between the members of a set written as one string")

    @property
    def is_content(self) -> bool:
        return self.type in CONTENT_TYPES

    @property
    def content_modality(self) -> Modality | None:
        """The modality of the field's items; None of a scalar field."""
        by_type: dict[str, Modality | None] = {"image": "image", "text": "text", "vector": self.modality}
        return by_type.get(self.type)

    @model_validator(mode="after")
    def _fits_its_type(self) -> Field:
        problems = {
            "modality: say of what the vector was computed, image or text": self.type == "vector"
            and self.modality is None,
            f"modality: a field of type {self.type} has none to say": self.type != "vector"
            and self.modality is not None,
            f"file: only contents lie in files, not {self.type}": self.file is not None
            and not self.is_content,
            "column: leave out either column or columns": self.column is not None and bool(self.columns),
            "columns: only a place stands in several, latitude and longitude, and a text may": bool(
                self.columns
            )
            and self.type != "text"
            and (self.type != "place" or len(self.columns) != 2),
            f"separator: only a set or references are parted, not {self.type}": self.separator is not None
            and self.type not in ("set", "reference"),
        }
        for message, wrong in problems.items():
            if wrong:
                raise ValueError(message)
        return self


class Source(Section):
    """Where records come from, what they hold, and how it is to be read."""

    name: Name
    kind: Kind
    path: str = Setting(
        description="file, folder or URL (s3://...); sample:NAME for the data that comes with the package"
    )
    fields: dict[Name, Field] = Setting(
        default_factory=dict, description="the records' fields; images and texts have one of that name"
    )
    one_per_entity: bool = Setting(False, description="the source names each thing at most once")
    key: str | None = Setting(None, description="column of the key")
    label: str | None = Setting(None, description="column of the class")
    entity: str | None = Setting(None, description="column of the true entity")
    split: str | None = Setting(None, description="column of the split; without one it is drawn by entity")
    listing: str | None = Setting(
        None, description="list file of a folder or a mat file, named relative to it: one row per record"
    )
    columns: list[str] = Setting(
        default_factory=list, description="names of the columns of a csv or list file without a header"
    )
    separator: str | None = Setting(None, description="of csv and list files; found out where left out")
    pattern: str = Setting("{}", description="file of a key in the folder, such as {label}/{key}.jpg")
    labels: list[str] = Setting(
        default_factory=list, description="the labels that are allowed; any where left out"
    )
    label_numbers: bool = Setting(False, description="the column of the class holds places in labels, from 1")
    fixed_split: Literal["train", "validation", "test"] | None = Setting(
        None, description="the split of every record of this source"
    )

    def all_fields(self) -> dict[str, Field]:
        """The fields, the one that images and texts have by themselves included."""
        if self.fields or self.kind not in _ONLY_CONTENT:
            return dict(self.fields)
        content = _ONLY_CONTENT[self.kind]
        return {content: Field(type=content, file=self.pattern)}

    def contents(self) -> dict[str, Field]:
        """The fields whose values are items."""
        return {name: field for name, field in self.all_fields().items() if field.is_content}

    def scalars(self) -> dict[str, Field]:
        """The fields whose values are strings of the record itself."""
        return {name: field for name, field in self.all_fields().items() if not field.is_content}

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Source:
        table = self.kind in ("parquet", "csv", "json", "delta")
        matrices = [field.variable for field in self.fields.values() if field.type == "vector"]
        problems = {
            "key: name the column of the key": (table or self.listing) and not self.key,
            "fields: say what the records hold": not self.all_fields(),
            "fields: a mat file needs the variable of each vector": self.kind == "mat"
            and (len(matrices) < len(self.fields) or None in matrices),
            "fields: a Delta table holds its contents itself; leave out file": self.kind == "delta"
            and any(field.file for field in self.fields.values()),
            f"fields: vectors cannot stand in a {self.kind} file": self.kind == "csv"
            and any(field.type == "vector" for field in self.fields.values()),
            "fields: one content is the file itself; say of the others in which file they are": self.kind
            in _ONLY_CONTENT
            and sum(f.is_content and f.file is None for f in self.all_fields().values()) > 1,
            "label_numbers: needs label and labels": self.label_numbers and not (self.label and self.labels),
            "split: leave out either split or fixed_split": self.split and self.fixed_split,
        }
        for message, wrong in problems.items():
            if wrong:
                raise ValueError(message)
        return self
