"""Every benchmark, one after another, with its own defaults: what ``make bench`` runs."""

from __future__ import annotations

import subprocess
import sys

NAMES = (
    "hashing",
    "blocking",
    "record_blocking",
    "hamming_join",
    "scoring",
    "clustering",
    "extraction",
    "end_to_end",
)


def main() -> None:
    for name in NAMES:
        subprocess.run([sys.executable, "-m", f"tests.benchmarks.{name}"], check=True)


if __name__ == "__main__":
    main()
