"""Any failure as one sentence that says what to do; the details belong into the log."""

from __future__ import annotations

import errno
import re

from xmer_spark.errors import XmerError

#: Characters of a sentence: what the table ``runs`` and a terminal can show.
LONGEST = 2000
#: An error of the project's own that was raised in a worker, as Spark passes it on: in a traceback.
_FROM_A_WORKER = re.compile(r"^xmer_spark\.errors\.\w+: (.+)$", re.MULTILINE)
#: What stands in messages of Spark, Delta and Java, and what it means to a user.
_KNOWN = (
    (
        r"OutOfMemoryError|GC overhead limit",
        "Spark ran out of memory; raise spark.driver_memory (or the executors' memory), or raise "
        "spark.shuffle_partitions and blocking.partitions so that a task holds less",
    ),
    (
        r"Concurrent\w*Exception|DELTA_CONCURRENT",
        "another run writes to this warehouse at the same time; run again after it has ended",
    ),
    (
        r"JAVA_GATEWAY_EXITED|Java gateway process exited",
        "Spark's JVM did not start; xmer.log has its last words (is spark.driver_memory more than there is?)",
    ),
    (
        r"FAILED_READ_FILE",
        "a file of a table is gone or damaged; the log names it: restore it, or write the table again",
    ),
    (r"No space left on device", "a disk is full; make room, and run the same command again"),
    (r"Read-only file system", "the file system cannot be written to; see the log for the file"),
    (r"Permission denied|AccessControlException", "access to a file or folder was denied; see the log"),
)


def explain(error: BaseException) -> str:
    """The failure in one sentence, of at most ``LONGEST`` characters.

    >>> explain(XmerError("catalogue.csv: no column sku"))
    'catalogue.csv: no column sku'
    >>> explain(MemoryError())[:29]
    'the driver ran out of memory;'
    >>> explain(RuntimeError("java.util.concurrent...: [FAILED_READ_FILE.NO_HINT] Encountered error"))[:39]
    'a file of a table is gone or damaged; t'
    """
    return _sentence(error)[:LONGEST]


def _sentence(error: BaseException) -> str:
    text = str(error)
    own = _FROM_A_WORKER.findall(text)
    if isinstance(error, XmerError) or own:
        return str(own[-1]) if own and not isinstance(error, XmerError) else text
    if isinstance(error, KeyboardInterrupt):
        return "interrupted; run the same command again to go on"
    if isinstance(error, MemoryError):
        return "the driver ran out of memory; lower train.max_records, or use a larger machine"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "a disk is full; make room, and run the same command again"
    for pattern, meaning in _KNOWN:
        if re.search(pattern, text):
            return meaning
    first = next((line.strip() for line in text.splitlines() if line.strip()), "no message")
    if type(error).__module__.startswith("mlflow."):
        return f"MLflow did not do what was asked: {first}; check tracking.uri, and run the command again"
    return f"{type(error).__name__}: {first}; this was not expected, the log has the details"
