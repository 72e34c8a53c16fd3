"""What people say of two records: checked, and kept for every resolution from then on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from xmer_spark.errors import XmerError, listed
from xmer_spark.schema import DECISIONS, VERDICTS
from xmer_spark.store.publication import DECIDE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xmer_spark.store.runs import Context, Job

#: Takes back what was said before.
WITHDRAW = "withdraw"
SAYINGS = (*VERDICTS, WITHDRAW)
_COLUMNS = ["left", "right", "verdict"]

Pair = tuple[str, str]


@dataclass(frozen=True)
class Saying:
    """What is said of two records: a verdict, or that one is withdrawn."""

    verdict: str
    pair: Pair

    @classmethod
    def of(cls, verdict: str, one: str, other: str) -> Saying:
        """With the two records in order; an XmerError where nothing can be meant by it."""
        if verdict not in SAYINGS:
            raise XmerError(f"decide: {verdict!r} is none of {', '.join(SAYINGS)}")
        if one == other:
            raise XmerError(f"decide: {one} is one record; name two")
        return cls(verdict, (min(one, other), max(one, other)))


def read(path: Path) -> list[Saying]:
    """The sayings of a CSV file with the columns left, right and verdict; a row without a verdict is none."""
    import pandas as pd

    try:
        rows = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except (OSError, ValueError) as error:  # pandas' own errors are ValueErrors
        raise XmerError(f"decide: {path} cannot be read as a CSV file: {error}") from error
    lacking = [name for name in _COLUMNS if name not in rows]
    if lacking:
        raise XmerError(f"decide: {path} has no column {', '.join(lacking)}; it needs {', '.join(_COLUMNS)}")
    found = []
    for line, (left, right, verdict) in enumerate(rows[_COLUMNS].to_numpy().tolist(), start=2):
        if not verdict.strip():
            continue
        try:
            found.append(Saying.of(verdict.strip(), left.strip(), right.strip()))
        except XmerError as error:
            raise XmerError(f"{error} ({path}, line {line}; nothing was kept)") from None
    if not found:
        raise XmerError(f"decide: no row of {path} has a verdict: {', '.join(SAYINGS)}")
    return found


def decide(context: Context, sayings: Sequence[Saying]) -> str:
    """Keep all that is said, or raise an XmerError that says why not; gives a sentence about it.

    Of a pair, what is said last counts. The records must be published, and no two verdicts may contradict
    each other: what is the same as a third is the same.
    """
    said = [[each.verdict, *each.pair] for each in sayings]
    with context.job(DECIDE, ["records"], {"said": said}) as job:
        if job.done:
            return "that was said before; nothing has changed"
        now = {each.pair: each.verdict for each in sayings}
        new = {pair: verdict for pair, verdict in now.items() if verdict != WITHDRAW}
        before = {
            (row["left_id"], row["right_id"]): row["verdict"]
            for row in job.read_previous("decisions").collect()
        }
        withdrawn = [pair for pair, verdict in now.items() if verdict == WITHDRAW]
        _check_withdrawn(withdrawn, before)
        _check_known(job, new)
        _check_agreement({pair: v for pair, v in (before | new).items() if pair not in withdrawn})
        _write(job, new, withdrawn)
        job.counts |= {"decisions": len(new), "withdrawn": len(withdrawn)}
    told = [f"{len(new):,} kept"] * bool(new) + [f"{len(withdrawn):,} withdrawn"] * bool(withdrawn)
    return f"{', '.join(told)}; the next resolution (xmer run) heeds it"


def _check_withdrawn(withdrawn: Sequence[Pair], before: Mapping[Pair, str]) -> None:
    unsaid = [pair for pair in withdrawn if pair not in before]
    if unsaid:
        raise XmerError(f"decide: nothing was said of {listed(' and '.join(pair) for pair in unsaid)}")


def _check_known(job: Job, new: Iterable[Pair]) -> None:
    """Raise an XmerError where a record is not published."""
    import pandas as pd

    named = sorted({record for pair in new for record in pair})
    if not named:
        return
    wanted = job.context.spark.createDataFrame(pd.DataFrame({"record_id": named}), "record_id string")
    unknown = wanted.join(job.read("records"), "record_id", "left_anti").orderBy("record_id").collect()
    if unknown:
        raise XmerError(
            f"decide: there is no record {listed(row['record_id'] for row in unknown)}; a record is called "
            "<source>/<key>, as in the table records"
        )


def _check_agreement(verdicts: Mapping[Pair, str]) -> None:
    """Raise an XmerError where records that are called different are the same by others."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import breadth_first_order, connected_components

    if not verdicts:
        return
    names, ends = np.unique(np.array(list(verdicts), str).reshape(-1, 2), return_inverse=True)
    ends = ends.reshape(-1, 2)
    same = np.array([verdict == "same" for verdict in verdicts.values()], bool)
    a, b = ends[same].T
    graph = coo_array((np.ones(len(a)), (a, b)), shape=(len(names), len(names))).tocsr()
    thing = connected_components(graph, directed=False)[1]
    broken = ends[~same & (thing[ends[:, 0]] == thing[ends[:, 1]])]
    if not len(broken):
        return
    start, end = broken[0].tolist()
    before = breadth_first_order(graph, start, directed=False)[1]
    chain = [end]
    while chain[-1] != start:
        chain.append(int(before[chain[-1]]))
    raise XmerError(
        f"decide: {names[start]} and {names[end]} cannot be different while "
        f"{' = '.join(names[chain[::-1]])}; withdraw one of these first. Nothing was kept"
    )


def _write(job: Job, new: Mapping[Pair, str], withdrawn: Sequence[Pair]) -> None:
    spark, now = job.context.spark, datetime.now(UTC)
    rows = [(*pair, verdict, now) for pair, verdict in new.items()]
    gone = spark.createDataFrame(list(withdrawn), "left_id string, right_id string")
    job.merge("decisions", spark.createDataFrame(rows, DECISIONS.ddl), gone)
