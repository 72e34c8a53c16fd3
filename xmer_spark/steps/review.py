"""The pairs whose answer, by a person, would put most right: a list to fill in and give back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from xmer_spark.store.published import Published

# Asked about are two entities, by their likeliest pair, and of an entity the record that fits least, by the
# pair that speaks most for it. What was not scored, or not kept, counts as improbable.
_PAIRS = """
WITH said AS ({said}),
placed AS (SELECT record_id, entity_id, size FROM members JOIN entities USING (entity_id)),
answered AS (
    SELECT a.entity_id AS one, b.entity_id AS other, left_id, right_id FROM said
    JOIN placed a ON a.record_id = left_id JOIN placed b ON b.record_id = right_id
),
links AS (
    SELECT left_id, right_id, decided, a.entity_id AS one, b.entity_id AS other, a.size AS size
    FROM matches JOIN placed a ON a.record_id = left_id JOIN placed b ON b.record_id = right_id
),
apart AS (
    SELECT arg_max(left_id, decided) AS left_id, arg_max(right_id, decided) AS right_id,
        false AS together, max(decided) AS decided, sum(decided) AS put_right
    FROM links WHERE one <> other AND NOT EXISTS (FROM answered
        WHERE (links.one, links.other) IN ((answered.one, answered.other), (answered.other, answered.one)))
    GROUP BY least(one, other), greatest(one, other)
),
inside AS (
    SELECT one, size, left_id AS record_id, right_id AS partner, decided FROM links WHERE one = other
    UNION ALL
    SELECT one, size, right_id, left_id, decided FROM links WHERE one = other
),
fitting AS (
    SELECT one, record_id, arg_max(partner, decided) AS partner, max(decided) AS decided,
        any_value(size) - 1 - sum(decided) AS put_right
    FROM inside WHERE NOT EXISTS (FROM answered
        WHERE answered.one = answered.other AND inside.record_id IN (left_id, right_id))
    GROUP BY one, record_id
),
together AS (
    SELECT record_id AS left_id, partner AS right_id, true AS together, decided, put_right FROM fitting
    QUALIFY 1 = row_number() OVER (PARTITION BY one ORDER BY put_right DESC, record_id)
),
asked AS (
    FROM (FROM apart UNION ALL BY NAME FROM together)
    ORDER BY put_right DESC, left_id, right_id LIMIT $1
),
texts AS (
    SELECT record_key, string_agg(coalesce(text, '[' || modality || ']'), ' | ' ORDER BY field) AS text
    FROM items GROUP BY record_key
),
told AS (
    SELECT record_id, concat_ws(' | ', text, nullif(array_to_string(
        [key || ': ' || fields[key] FOR key IN list_sort(map_keys(fields))], ', '), '')) AS says
    FROM records LEFT JOIN texts USING (record_key)
    WHERE record_id IN (SELECT unnest([left_id, right_id]) FROM asked)
)
SELECT left_id AS "left", right_id AS "right", '' AS verdict, decided AS probability, together,
    round(put_right, 3) AS put_right, a.says AS left_says, b.says AS right_says
FROM asked JOIN told a ON a.record_id = left_id JOIN told b ON b.record_id = right_id
ORDER BY put_right DESC, left_id, right_id
"""
_NOTHING = "SELECT '' AS left_id, '' AS right_id WHERE false"
#: What a spreadsheet would take for the start of a formula, the wide forms of East Asia among them.
_FORMULA = r"^([=+\-@\t\r\n\x{ff1d}\x{ff0b}\x{ff0d}\x{ff20}])"


def pairs(tables: Published, most: int) -> pa.Table:
    """At most so many compared pairs about which nobody has decided, and what both records say.

    ``put_right`` is the number of pairs that the answer is expected to put right, by their probabilities:
    those between two entities, or those of a record in its own. Those with the most come first.
    """
    said = "SELECT left_id, right_id FROM decisions" if "decisions" in tables.versions else _NOTHING
    return tables.query(_PAIRS.replace("{said}", said), [most])


def write(found: pa.Table, path: Path) -> None:
    """Write the pairs as a CSV file with an empty verdict to fill in, for ``xmer decide --file``."""
    import pyarrow.compute as pc
    from pyarrow import csv

    for name in ("left_says", "right_says"):
        safe = pc.replace_substring_regex(found[name], _FORMULA, r"'\1")
        found = found.set_column(found.schema.get_field_index(name), name, safe)
    csv.write_csv(found, path)
