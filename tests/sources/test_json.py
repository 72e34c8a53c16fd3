"""JSON in the forms that people have it: each document is read, or refused with a reason."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from tests.sources.reading import Found, read
from xmer_spark.errors import ConfigError

ROWS = [{"sku": "1", "title": "caf\u00e9"}, {"sku": "2", "title": "tea"}]
LINES = [json.dumps(row, ensure_ascii=False) for row in ROWS]
PRETTY = [json.dumps(row, ensure_ascii=False, indent=2) for row in ROWS]


def found_in(root: Path, content: str | bytes, **keys: Any) -> Found:
    whole = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    (root / "x.json").write_bytes(whole)
    return read(root, **({"kind": "json", "path": "x.json", "key": "sku", "fields": TITLE} | keys))


TITLE = {"title": {"type": "text"}}


@pytest.mark.parametrize(
    "content",
    [
        "\n".join(PRETTY),
        "".join(LINES),
        ",\n".join(LINES),
        "\r".join(LINES),
        "\x1e" + "\n\x1e".join(LINES),
        f"[{LINES[0]}]\n[{LINES[1]}]",
        " " * 2000 + json.dumps(ROWS),
        "\n".join(LINES).replace('"sku"', '" sku\u200b"'),
        *("\n".join(LINES).encode(name) for name in ("utf-16", "utf-16-le", "utf-32")),
        json.dumps(ROWS).encode("utf-16"),
    ],
)
def test_documents_are_found_however_they_are_written(tmp_path: Path, content: str | bytes) -> None:
    found = found_in(tmp_path, content)
    assert (found.values("title"), found.refusals) == ({"1": "caf\u00e9", "2": "tea"}, [])


@pytest.mark.parametrize(
    ("bad", "field", "reason"),
    [
        ('{"sku": "3", "title": "a", "title": "b"}', None, "malformed_row"),
        ('{"sku": "3", "title": ' + "[" * 100_000 + "]" * 100_000 + "}", None, "malformed_row"),
        ('{"sku": "3", "title": "half a pair: \\ud83d"}', "title", "not_utf8"),
        ('{"sku": "3", "title": "caf\udce9"}', "title", "not_utf8"),
        ('{"sku": "3", "title": "a"', None, "malformed_row"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_bad_document_costs_no_other(
    tmp_path: Path, bad: str, field: str | None, reason: str, first: bool
) -> None:
    lines = [bad, *LINES] if first else [*LINES, bad]
    found = found_in(tmp_path, "\n".join(lines).encode("utf-8", "surrogateescape"))
    assert found.values("title") == {"1": "caf\u00e9", "2": "tea"}
    assert [(name, why) for _, name, why in found.refusals] == [(field, reason)]


def test_tabs_within_strings_are_read_and_what_is_named_twice_elsewhere_does_no_harm(tmp_path: Path) -> None:
    found = found_in(tmp_path, '{"sku": "1", "title": "a\tb", "n": 1, "n": 2, "x": {"a": 1, "a": 2}}')
    assert found.values("title") == {"1": "a\tb"}


@pytest.mark.parametrize("broken", ['[{"sku": "1"}, {"sku": 2', '[{"sku": "1"}, {sku: 2}]', "[" * 100_000])
def test_a_broken_array_is_not_read_in_part(tmp_path: Path, broken: str) -> None:
    with pytest.raises(ConfigError, match=r"x\.json: not valid JSON"):
        found_in(tmp_path, broken)


def test_columns_that_no_document_has_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fields = TITLE | {"price": {"type": "number"}}
    with caplog.at_level(logging.WARNING):
        assert list(found_in(tmp_path, "\n".join(LINES), fields=fields).records) == ["1", "2"]
    assert [message.partition(" in the first")[0] for message in caplog.messages] == [
        "source s: there is no price"
    ]
    with pytest.raises(ConfigError, match=r"there is no sku, title in the first documents of .* have data$"):
        found_in(tmp_path, json.dumps({"data": ROWS}))


@pytest.mark.parametrize(
    "value", ["[[1, 2], [3, 4]]", '["x"]', '[{"a": 1}]', "[[1], [2, 3]]", '{"a": 1}', "5", "[]", "[1e300]"]
)
def test_what_is_no_list_of_numbers_is_no_vector(tmp_path: Path, value: str) -> None:
    fields = {"v": {"type": "vector", "modality": "text"}}
    found = found_in(tmp_path, f'{{"sku": "1", "v": {value}}}\n{{"sku": "2", "v": [1, 2.5]}}', fields=fields)
    assert found.values("v") == {"2": [1.0, 2.5]}
    assert found.refusals == [("1", "v", "bad_vector")]
