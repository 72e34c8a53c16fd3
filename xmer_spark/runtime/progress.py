"""How far Spark is: what its running stages have done, and what that says of the time left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class Activity:
    """The running stages together: tasks that are done, all tasks, records read so far, and for how long."""

    done: int
    tasks: int
    records: int
    seconds: float


def activity(spark: SparkSession) -> Activity | None:
    """What Spark's running stages have done; None where none is running."""
    context = spark.sparkContext
    # The public status tracker knows tasks, but no records.
    stages = context._jsc.sc().statusStore().activeStages()
    running = [stages.apply(number) for number in range(stages.size())]
    if not running:
        return None
    started = [
        stage.submissionTime().get().getTime() for stage in running if stage.submissionTime().isDefined()
    ]
    now = context._jvm.System.currentTimeMillis() if context._jvm else 0
    return Activity(
        sum(stage.numCompleteTasks() for stage in running),
        sum(stage.numTasks() for stage in running),
        sum(stage.inputRecords() + stage.shuffleReadRecords() for stage in running),
        (now - min(started)) / 1000 if started else 0.0,
    )


def told(found: Activity) -> str:
    """An activity for a person: records, their rate, tasks, and the time left if the rest is like these.

    >>> told(Activity(done=2, tasks=8, records=3000, seconds=60.0))
    '3,000 records, 50 per second, 2 of 8 tasks, about 3:00 left'
    >>> told(Activity(done=0, tasks=4, records=0, seconds=0.5))
    '0 of 4 tasks'
    """
    parts = []
    if found.records and found.seconds >= 1:
        parts += [f"{found.records:,} records", f"{found.records / found.seconds:,.0f} per second"]
    parts.append(f"{found.done} of {found.tasks} tasks")
    if found.done and found.seconds >= 1:
        parts.append(f"about {clock(found.seconds * (found.tasks / found.done - 1))} left")
    return ", ".join(parts)


def clock(seconds: float) -> str:
    """Minutes and seconds.

    >>> clock(75.4)
    '1:15'
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
