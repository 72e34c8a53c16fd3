"""The pairs whose answer, by a person, would put most right: a list to fill in and give back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from xmer_spark.store.published import Published

# That two records are the same, where they are apart, puts the pairs between their entities right; that they
# are not, where they are together, those of one of them. Of two entities, one pair is asked about.
_PAIRS = """
WITH said AS ({said}),
placed AS (SELECT record_id, entity_id, size FROM members JOIN entities USING (entity_id)),
asked AS (
    SELECT left_id, right_id, decided, a.entity_id = b.entity_id AS together,
        CASE WHEN together THEN (1 - decided) * (a.size - 1) ELSE decided * a.size * b.size END AS put_right
    FROM matches JOIN placed a ON a.record_id = left_id JOIN placed b ON b.record_id = right_id
    WHERE NOT EXISTS (SELECT 1 FROM said WHERE left_id = least(a.record_id, b.record_id)
        AND right_id = greatest(a.record_id, b.record_id))
    QUALIFY 1 = row_number() OVER (
        PARTITION BY least(a.entity_id, b.entity_id), greatest(a.entity_id, b.entity_id)
        ORDER BY put_right DESC, left_id, right_id)
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
#: What a spreadsheet would take for the start of a formula.
_FORMULA = r"^([=+\-@\t\r])"


def pairs(tables: Published, most: int) -> pa.Table:
    """At most so many compared pairs that nobody has decided, and what both records say.

    ``put_right`` is the number of pairs that the answer is expected to put right, by the probability of the
    match and the sizes of the entities; those with the most come first.
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
