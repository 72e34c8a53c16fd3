"""Every benchmark, one after another, with its own defaults: what ``make bench`` runs."""

from __future__ import annotations

import subprocess
import sys

COMMANDS = (
    "hashing",
    "blocking",
    "record_blocking",
    "hamming_join",
    "scoring",
    "competition",
    "deciding",
    "reviewing",
    "clustering",
    "extraction",
    "end_to_end",
    "rows --peers",
    "increments",
)


def main() -> None:
    for command in COMMANDS:
        name, *options = command.split()
        subprocess.run([sys.executable, "-m", f"tests.benchmarks.{name}", *options], check=True)


if __name__ == "__main__":
    main()
