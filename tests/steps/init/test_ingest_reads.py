"""What is guessed to be a number, a date, a set or a place is what ingest can read as one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from xmer_spark.config import Field
from xmer_spark.steps.init.guess import guess
from xmer_spark.steps.init.inputs import read_sample
from xmer_spark.steps.init.profile import profile

TABLES = [
    f"splits/{name}/table{side}.csv" for name in ("beer", "rotten_imdb", "zomato_yelp") for side in "AB"
]


@pytest.mark.parametrize("table", [*TABLES, "cora/cora.csv", "abt_buy/abtclean.csv", "dblp_acm/acmclean.csv"])
def test_values_of_published_tables_are_read_as_what_they_are_guessed_to_be(
    shared_data: Path, table: str
) -> None:
    canonical = pytest.importorskip("xmer_spark.sources.canonical").canonical
    refused = {}
    for column, values in read_sample(shared_data / "relational" / table).columns.items():
        guessed = guess(profile(column, values))
        if guessed is not None and guessed.type not in ("text", "image"):
            field = Field(type=guessed.type, separator=guessed.separator)
            present = np.array([value.strip() for value in values if value.strip()], dtype=object)
            _, problems = canonical(pa.array(present, pa.string()), field)
            refused[column] = 1 - problems.null_count / len(problems)
    assert refused
    assert {column: share for column, share in refused.items() if share > 0.05} == {}
