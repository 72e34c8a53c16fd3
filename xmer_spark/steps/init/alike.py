"""One name for the columns of several sources that mean the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from xmer_spark.steps.init.fields import FieldFound
from xmer_spark.steps.init.guess import Guess, words

#: From the most general type on: what two columns of one field are both read as.
_GENERAL = ("text", "name", "identifier", "set", "category", "date", "number")
#: Words that people use for the same thing.
_SAME = (
    {"title", "name"}, {"price", "cost", "amount"}, {"brand", "manufacturer", "maker", "vendor"},
    {"description", "desc", "details", "summary"}, {"author", "authors", "creator", "creators"},
    {"venue", "journal", "booktitle"}, {"year", "date"}, {"address", "addr", "street"}, {"city", "town"},
    {"phone", "telephone", "tel"}, {"zip", "zipcode", "postcode", "postal"}, {"genre", "genres"},
    {"photo", "image", "picture", "photograph"},
)  # fmt: skip
_WORDS = {word: min(group) for group in _SAME for word in group}
_OVERLAP = 0.3  # share of the rarer column's distinct values that the other has, too


def share_names(sources: Sequence[Sequence[FieldFound]]) -> list[list[FieldFound]]:
    """The sources' fields with one name, and one type, for what several of them have.

    Columns of the same name are the same; else the types have to agree, and the names be similar or the
    values overlap. The reason is added to the guess of the later source.
    """
    known = list[FieldFound]()
    named = [_named(fields, known) for fields in sources]
    types = {
        each.name: _common_type([f for fields in named for f in fields if f.name == each.name])
        for each in known
    }
    return [[_of_type(each, types[each.name]) for each in fields] for fields in named]


def _named(fields: Sequence[FieldFound], known: list[FieldFound]) -> list[FieldFound]:
    """The fields of one source under the names that are known by now; the new ones are added to ``known``."""
    likenesses = sorted(
        (
            (-likeness, place, other)
            for place, each in enumerate(fields)
            for other, before in enumerate(known)
            if (likeness := _likeness(each, before)) > 0
        ),
    )
    partner, taken = dict[int, int](), set[int]()
    for _, place, other in likenesses:
        if place not in partner and other not in taken:
            partner[place] = other
            taken.add(other)
    names, result = {each.name.lower() for each in known}, list[FieldFound]()
    for place, each in enumerate(fields):
        if place in partner:
            result.append(_renamed(each, known[partner[place]]))
            continue
        while each.name.lower() in names:
            each = replace(each, name=f"{each.name}_{each.guess.type}")
        names.add(each.name.lower())
        result.append(each)
    known += [each for place, each in enumerate(result) if place not in partner]
    return result


def _renamed(each: FieldFound, before: FieldFound) -> FieldFound:
    if each.name == before.name:
        return each
    why = f"{each.guess.why}; taken as {before.name} of an earlier source"
    # What has the earlier field's name now is read from its own column, which has another.
    return replace(each, name=before.name, guess=replace(each.guess, why=why, sure="unsure"))


def _likeness(one: FieldFound, other: FieldFound) -> float:
    """How well two columns go together; 0 where they do not."""
    a, b = _meaning(one.name), _meaning(other.name)
    if not _fit(one, other):
        return 0.0
    if "".join(a) == "".join(b):
        return 3.0
    if one.guess.type != other.guess.type and {one.guess.type, other.guess.type} != {"name", "text"}:
        return 0.0
    overlap = _overlap(one, other)
    common = len(set(a) & set(b)) / max(len(set(a) | set(b)), 1)
    if common > 0:
        return 1.0 + common / 2 + overlap / 2
    return overlap if overlap >= _OVERLAP else 0.0


def _fit(one: FieldFound, other: FieldFound) -> bool:
    """Whether one type could serve both."""
    types = {one.guess.type, other.guess.type}
    return len(types) == 1 or types <= set(_GENERAL)


def _meaning(name: str) -> list[str]:
    return [_WORDS.get(word, word) for word in words(name)]


def _overlap(one: FieldFound, other: FieldFound) -> float:
    """The share of the smaller column's values that the other has; 0 of numbers, which meet by chance."""
    smaller = min(len(one.values), len(other.values))
    if smaller < 5 or one.guess.type in ("number", "date"):
        return 0.0
    return len(one.values & other.values) / smaller


def _common_type(found: Sequence[FieldFound]) -> FieldFound:
    """The field whose type all can be read as."""
    return min(found, key=lambda each: _GENERAL.index(each.guess.type) if each.guess.type in _GENERAL else -1)


def _of_type(each: FieldFound, common: FieldFound) -> FieldFound:
    if each.guess.type == common.guess.type:
        return each
    why = f"{each.guess.why}; looks like {each.guess.type} here, but {common.guess.type} elsewhere"
    separator = common.guess.separator if common.guess.type == "set" else None
    own = Guess(common.guess.type, "unsure", why, separator)
    return replace(each, guess=own)
