"""A warehouse of an older version becomes one of today's, in its place and as one act.

Each version has a file that says how its tables are carried over; until that is done, an xmer of that version
goes on reading what its runs have published. The stamp, written last, is the switch: a migration that was
killed is repeated from the start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from xmer_spark.schema import VERSION
from xmer_spark.steps.migrate import version_1, version_2
from xmer_spark.store import layout

if TYPE_CHECKING:
    from xmer_spark.store.runs import Context

NAME = "migrate"
#: What carries the tables of a version over to today's, and tells in words what came with them.
CARRIED: Mapping[int, Callable[[Context], str]] = {1: version_1.carry, 2: version_2.carry}


def migrate(context: Context) -> str:
    """Carry the tables over; returns what was done, in a sentence."""
    found = layout.version_of(context.root)
    if found is None:
        return f"{context.root}: there are no tables here, so there is nothing to migrate"
    if found == VERSION:
        return f"{context.root}: its tables are of version {VERSION}; there is nothing to migrate"
    if found not in CARRIED:
        layout.check(context.root)  # says why these cannot be carried over
    with context.running(NAME):
        told = CARRIED[found](context)
        layout.stamp(context.root)
    return f"{context.root}: carried over to version {VERSION}, {told}"
