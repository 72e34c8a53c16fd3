"""The commented configuration, written plainly and read back before anyone sees it."""

from __future__ import annotations

import json
import shlex
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from xmer_spark.config import Blocking, Config, Entities, Scoring
from xmer_spark.config.base import Section
from xmer_spark.steps.init.fields import FieldFound
from xmer_spark.steps.init.sample import TEXTS
from xmer_spark.steps.init.survey import SourceFound

_WIDTH = 44  # at least, before a comment
_HINTS: dict[str, type[Section]] = {"blocking": Blocking, "scoring": Scoring}


def write(name: str, sources: Sequence[SourceFound]) -> str:
    """The configuration of some sources as TOML.

    It is parsed and checked here, so that what comes back can be run.
    """
    lines = [
        f"# What `xmer init` guessed from {_seen(sources)}: look through it, correct it, and run it.",
        *_keys([("name", name, "")]),
        "",
        "[warehouse]",
        *_keys([("path", f"warehouse-{name}", "folder of the tables that a run writes")]),
        "",
        "[tracking]",
        *_keys([("model", f"{name}_resolver", "name of the model that a run trains")]),
        "",
        "[report]",
        *_keys([("path", f"report-{name}.html", "the page that a run ends with")]),
    ]
    for source in sources:
        lines += ["", *_source(source)]
    for section, model in _HINTS.items():
        lines += ["", f"# [{section}]", *_hints(model)]
    trust = Entities.model_fields["trust"].description or ""
    lines += ["", "# [entities]", _line(f"# trust = {_value([each.name for each in sources])}", trust)]
    text = "\n".join(lines) + "\n"
    Config.model_validate(tomllib.loads(text))
    return text


def _seen(sources: Sequence[SourceFound]) -> str:
    return " and ".join(
        f"{'all' if source.sample.complete else 'the first'} {source.sample.rows:,} "
        f"{'rows' if source.sample.columns else 'files'} of {source.name}"
        for source in sources
    )


def _source(source: SourceFound) -> Iterator[str]:
    sample = source.sample
    keys = [
        ("name", source.name, "the first part of its records' ids"),
        ("kind", sample.kind, ""),
        ("path", str(sample.path), ""),
        *((key, *setting) for key, setting in sample.settings.items()),
    ]
    if source.key is not None:
        keys.append(("key", source.key.column, f"{source.key.sure}: {source.key.why}"))
    if source.pattern is not None:
        keys.append(("pattern", source.pattern, _about_pattern(source.pattern)))
    keys.append(("one_per_entity", *source.one_per_entity))
    yield "[[source]]"
    yield from _keys(keys)
    for role, column, why in source.columns.roles:
        yield _line(f"# {role} = {_value(column)}", why)
    for note in sample.notes:
        yield f"# {_comment(note)}"
    if source.fields:
        yield ""
        yield "[source.fields]"
        yield from (_field(each) for each in source.fields)
    for column, why in source.columns.left_out:
        yield f"# left out: {_value(column)}: {_comment(why)}"


def _about_pattern(pattern: str) -> str:
    if pattern == "{}":
        return "a file's path is its key: the files have several endings"
    ending = pattern.removeprefix("{key}")
    what = "texts" if ending in TEXTS else "pictures"
    return f'the key is a file\'s path; "{{label}}/{{key}}{ending}" where the folders are classes of {what}'


def _field(each: FieldFound) -> str:
    settings: list[tuple[str, Any]] = [("type", each.guess.type)]
    if each.column not in (None, each.name):
        settings.append(("column", each.column))
    if each.columns:
        settings.append(("columns", list(each.columns)))
    if each.file is not None:
        settings.append(("file", each.file))
    if each.guess.separator is not None:
        settings.append(("separator", each.guess.separator))
    inner = ", ".join(f"{key} = {_value(value)}" for key, value in settings)
    return _line(f"{each.name} = {{{inner}}}", f"{each.guess.sure}: {each.guess.reasons}")


def _hints(model: type[Section]) -> Iterator[str]:
    """The plain settings of a section that say what they are for, with their defaults, as comments."""
    for key, setting in model.model_fields.items():
        if setting.description and isinstance(setting.default, (bool, int, float, str)):
            yield _line(f"# {key} = {_value(setting.default)}", setting.description)


def _keys(keys: Iterable[tuple[str, Any, str]]) -> Iterator[str]:
    return (_line(f"{key} = {_value(value)}", why) for key, value, why in keys)


def _line(code: str, why: str) -> str:
    return f"{code:{_WIDTH}} # {_comment(why)}" if why else code


def _value(value: Any) -> str:
    """A value as TOML, whose strings, lists and numbers are written as JSON's are.

    >>> print(_value('weight\\n"net"'), _value(True), _value(0.5), _value(["a", "b"]))
    "weight\\n\\"net\\"" true 0.5 ["a", "b"]
    """
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _comment(text: str) -> str:
    """Text that stays in one comment, whatever signs a column's name brings."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def summary(sources: Sequence[SourceFound], output: str, most: int = 15) -> list[str]:
    """What was found, in at most ``most`` lines: sources, then what to check, then what to run next."""
    lines = [_about(source) for source in sources]
    checks = [f"  check {check}" for source in sources for check in _checks(source)]
    ends = [f"Written: {output}", f"Next:    xmer run --config {shlex.quote(output)}"]
    room = most - len(ends)
    if len(lines) > room:
        lines = [*lines[: room - 1], f"and {len(lines) - room + 1:,} sources more"]
    room -= len(lines)
    if len(checks) > room:
        checks = [*checks[: room - 1], f"  and {len(checks) - room + 1:,} more: see the comments"][:room]
    return [*lines, *checks, *ends]


def _about(source: SourceFound) -> str:
    sample, kinds = source.sample, ", ".join(f"{each.name} ({_short(each)})" for each in source.fields)
    seen = f"{'' if sample.complete else 'the first '}{sample.rows:,} {'rows' if sample.columns else 'files'}"
    if source.key is None:
        return f"{source.name}: {seen}, {sample.kind}, the files' names are the keys"
    return f"{source.name}: {seen}, key {source.key.column} ({source.key.sure}); {kinds}"


def _short(each: FieldFound) -> str:
    return each.guess.type if each.guess.sure == "sure" else f"{each.guess.type}, {each.guess.sure}"


def _checks(source: SourceFound) -> Iterator[str]:
    """What a person should look at first."""
    name = source.name
    if source.key is not None and source.key.sure == "unsure":
        yield f"{name}.key: {source.key.column}: {_comment(source.key.why)}"
    if "columns" in source.sample.settings:
        yield f"{name}.columns: {source.sample.settings['columns'][1]}"
    for each in source.fields:
        if each.guess.sure == "unsure":
            yield f"{name}.{each.name}: {each.guess.type}: {_comment(each.guess.reasons)}"
    for role, column, _ in source.columns.roles:
        yield f"{name}: {column!r} may be the {role}; it is not used unless you say so"
    yield from (f"{name}: {_comment(note)}" for note in source.sample.notes)
