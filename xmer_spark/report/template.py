"""A page from a template: style, script and figures inlined, so that it loads nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from xmer_spark.report import formats
from xmer_spark.report.figures import Figure

FOLDER = Path(__file__).parent


def fill(
    name: str, figures: Mapping[str, Figure], filters: Mapping[str, Callable[..., Any]], **content: Any
) -> str:
    """The template of this name as one HTML document; every string of ``content`` is escaped.

    ``figures`` are by the id of the element that each is drawn in. Without one, plotly is left out.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": formats.duration, **filters}
    script = (FOLDER / "page.js").read_text("utf-8")
    plotly = plotly_script() if figures else ""
    return environment.get_template(name).render(
        content,
        figures=figures,
        style=(FOLDER / "style.css").read_text("utf-8"),
        script=script,
        plotly=plotly,
        script_hashes=f"{script_hash(plotly)} {script_hash(script)}",
    )


def script_hash(script: str) -> str:
    """The script's hash for the page's security policy: the page runs these scripts and no other."""
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    return f"'sha256-{digest}'"


def plotly_script() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())
