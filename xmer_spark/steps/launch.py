"""What every job's command line does: read the configuration, run one step, and end in one sentence."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from xmer_spark.config import load_config
from xmer_spark.runtime import logs
from xmer_spark.store.runs import Context


def arguments(description: str) -> argparse.ArgumentParser:
    """The command line that every job has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--config", required=True, help="the configuration, a TOML file")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="replace one key; may be repeated",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="show in the terminal what xmer.log has")
    return parser


def launch(step: Callable[[Context], None]) -> None:
    """Run one job from the command line, by ``python`` or by ``spark-submit``."""
    options = arguments(step.__doc__ or "").parse_args()
    terminal = logs.configure(options.verbose)
    context: Context | None = None
    try:
        context = Context(load_config(options.config, options.set), terminal)
        step(context)
    except (Exception, KeyboardInterrupt) as error:
        logs.end(error)
    finally:
        if context is not None:
            context.close()
