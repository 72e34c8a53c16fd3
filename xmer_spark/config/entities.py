"""How the values of entities are chosen: a rule per field, and which sources are trusted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field, model_validator

from xmer_spark.config.base import Name, Section
from xmer_spark.config.source import Source

Rule = Literal["most_trusted", "most_frequent", "newest", "longest", "best_picture"]
#: The value of a picture is its item's id: counting or measuring ids tells nothing.
_OF_PICTURES: tuple[Rule, ...] = ("most_trusted", "newest", "best_picture")
_OF_OTHERS: tuple[Rule, ...] = ("most_trusted", "most_frequent", "newest", "longest")


class ValueRule(Section):
    """Which of the values that the records of an entity have of a field is the entity's."""

    rule: Rule
    by: Name | None = Field(None, description="the date field that newest goes by, of the same record")

    @model_validator(mode="before")
    @classmethod
    def _rule_alone(cls, said: object) -> object:
        return {"rule": said} if isinstance(said, str) else said


#: What a field without a rule of its own goes by: nothing that must be read for it, or be dated.
_BY_TYPE = {"text": ValueRule(rule="longest"), "image": ValueRule(rule="most_trusted")}
_OTHERWISE = ValueRule(rule="most_frequent")


class Entities(Section):
    trust: list[Name] = Field(
        default_factory=list,
        description="the sources, most trusted first; those not named come after, by name",
    )
    values: dict[Name, ValueRule] = Field(
        default_factory=dict,
        description="a rule per field; without one longest, of images most_trusted, of others most_frequent",
    )

    def sources(self, sources: Sequence[Source]) -> list[str]:
        """The names of all sources, the most trusted first."""
        return [*self.trust, *sorted({source.name for source in sources} - set(self.trust))]

    def rules(self, sources: Sequence[Source]) -> dict[str, ValueRule]:
        """The rule of every field that entities have a value of."""
        return {
            name: self.values.get(name, _BY_TYPE.get(type_, _OTHERWISE))
            for name, type_ in valued(sources).items()
        }

    def problems(self, sources: Sequence[Source]) -> Iterator[str]:
        """What names neither a source nor a field, and rules that do not fit their field."""
        known = [source.name for source in sources]
        if sorted(set(self.trust) & set(known)) != sorted(self.trust):
            yield f"entities.trust: must name sources, each once at most; known: {', '.join(known)}"
        types = valued(sources)
        dates = [name for name, type_ in types.items() if type_ == "date"]
        for name, each in self.values.items():
            key = f"entities.values.{name}"
            fitting = _OF_PICTURES if types.get(name) == "image" else _OF_OTHERS
            if name not in types:
                yield f"{key}: there is no such field with values; known: {', '.join(types) or 'none'}"
            elif each.rule not in fitting:
                yield f"{key}: {each.rule} does not fit {types[name]}; allowed: {', '.join(fitting)}"
            elif each.rule == "newest" and each.by not in dates:
                yield f"{key}.by: newest goes by a date field; known: {', '.join(dates) or 'none'}"
            elif each.rule != "newest" and each.by is not None:
                yield f"{key}.by: only newest goes by a field, not {each.rule}"


def valued(sources: Sequence[Source]) -> dict[str, str]:
    """The fields that entities have values of, with their types: all but vectors.

    Where sources give a field several types, the first counts.
    """
    found: dict[str, str] = {}
    for source in sources:
        for name, field in source.all_fields().items():
            if field.type != "vector":
                found.setdefault(name, field.type)
    return found
