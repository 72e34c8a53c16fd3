"""Records as blocking and comparing see them: a row per record, a column per field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from xmer_spark.errors import ConfigError
from xmer_spark.names import direction_name
from xmer_spark.numerics.records import CODE, EMBEDDING, SURROUNDINGS, Records
from xmer_spark.numerics.records import columns_of as names_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from xmer_spark.config import Config, Source


def fields(config: Config) -> dict[str, str]:
    """The text and scalar fields of all sources by name, with their types."""
    found: dict[str, str] = {}
    for source in config.source:
        for name, field in source.all_fields().items():
            if field.type not in ("image", "vector"):
                found[name] = field.type
    return found


def contents(config: Config) -> dict[str, str]:
    """The content fields of all sources by name, with their modalities."""
    return {
        name: str(field.content_modality)
        for source in config.source
        for name, field in source.contents().items()
    }


def columns_of(source: Source) -> list[str]:
    """The columns of a source's described records."""
    texts = [name for name, field in source.all_fields().items() if field.type not in ("image", "vector")]
    return names_of(texts, list(source.contents()))


def alone(config: Config) -> set[str]:
    """The sources that name each thing at most once."""
    return {source.name for source in config.source if source.one_per_entity}


def source_pairs(config: Config) -> list[tuple[str, str]]:
    """The pairs of sources to compare, in order; a source that names each thing once is not with itself.

    ``blocking.pairs`` may name some of them, in either order.
    """
    names = sorted(source.name for source in config.source)
    once = alone(config)
    possible = [(a, b) for place, a in enumerate(names) for b in names[place:] if not (a == b and a in once)]
    wanted = {"/".join(sorted(name.split("/"))) for name in config.blocking.pairs}
    unknown = sorted(wanted - {direction_name(*pair) for pair in possible})
    if unknown:
        known = ", ".join(direction_name(*pair) for pair in possible)
        raise ConfigError(f"blocking.pairs: {', '.join(unknown)} is not among the pairs of sources: {known}")
    return [pair for pair in possible if not wanted or direction_name(*pair) in wanted]


def described(
    config: Config, records: DataFrame, items: DataFrame, embeddings: DataFrame | None = None
) -> DataFrame:
    """A row per record: record_key, source, and its fields.

    Text and scalar fields are strings under their names; of each content field there are embedding,
    surroundings and code where there are ``embeddings``. A record lacks what its source does not have, and
    what could not be extracted.
    """
    from pyspark.sql import functions as F

    texts = [name for name, type_ in fields(config).items() if type_ == "text"]
    parts = ["text"]
    found = items.select("item_key", "record_key", "field", "text")
    if embeddings is not None:
        parts += ["embedding", "surroundings", "code"]
        found = found.join(embeddings.select("item_key", *parts[1:]), "item_key", "left")
    by_field = F.map_from_entries(F.collect_list(F.struct("field", F.struct(*parts).alias("content"))))
    known = records.select("record_key", "source", "fields").join(
        found.groupBy("record_key").agg(by_field.alias("contents")), "record_key", "left"
    )
    values = {name: F.element_at("fields", F.lit(name)) for name in fields(config)}
    values |= {name: F.element_at("contents", F.lit(name))["text"] for name in texts}
    if embeddings is not None:
        for name in contents(config):
            content = F.element_at("contents", F.lit(name))
            values[name + EMBEDDING] = content["embedding"]
            values[name + SURROUNDINGS] = content["surroundings"]
            values[name + CODE] = content["code"]
    return known.select("record_key", "source", *(value.alias(name) for name, value in values.items()))


def collected(frame: DataFrame) -> Mapping[str, Records]:
    """Described records by source, in the order of their keys; few enough for one machine."""
    import numpy as np

    from xmer_spark.numerics.arrow import strings

    table = frame.toArrow().sort_by("record_key")
    source = strings(table["source"])
    return {
        name: Records.of(name, table.take(np.flatnonzero(source == name)))
        for name in sorted(set(source.tolist()))
    }
