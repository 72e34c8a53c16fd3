"""The page in a real browser: figures, filters, search and hostile texts."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable

from xmer_spark.report import render
from xmer_spark.report.data import ReportData

#: Opens a page at an address and returns the document after its scripts ran.
Browser = Callable[[str, str], str]

# What a person would do, one after the other, and the titles of the cards that each step leaves.
VISIT = """
const seen = {};
const note = (step) => {
  const cards = [...document.querySelectorAll("#cards > article")].filter((card) => card.checkVisibility());
  seen[step] = cards.map((card) => card.querySelector("h3").textContent);
};
const enter = (name, value) => {
  const field = filters.elements.namedItem(name);
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
};
note("opened at an address with filters");
document.getElementById("clear").click();
note("cleared");
enter("q", "FROG  plants");
note("two words searched");
enter("q", "c/2");
note("an id searched");
enter("q", "");
enter("mix", "image, text");
enter("verdict", "right");
note("two filters chosen");
enter("q", "elephant");
note("nothing fits");
seen.message = document.getElementById("no-card").checkVisibility();
seen.count = filters.querySelector("output").textContent;
document.body.dataset.seen = JSON.stringify(seen);
"""


def test_a_visitor_sees_every_figure_and_can_filter_and_search_the_entities(
    report: ReportData, browser: Browser
) -> None:
    page = render(report).replace("</body>", f"<script>{VISIT}</script></body>")
    # The page runs only its own scripts; the visitor's has to be let in.
    page = re.sub(r"script-src [^\"]*\"", "script-src 'unsafe-inline'\"", page, count=1)
    document = browser(page, "#verdict=wrong&class=animals")
    assert figures_drawn(document) == 6
    seen = re.search(r'data-seen="([^"]*)"', document)
    assert seen is not None
    assert json.loads(html.unescape(seen.group(1))) == {
        "opened at an address with filters": ["Whale"],
        "cleared": ["Red panda", "Whale", "Frog"],
        "two words searched": ["Frog"],
        "an id searched": ["Whale"],
        "two filters chosen": ["Red panda"],
        "nothing fits": [],
        "message": True,
        "count": "0 shown",
    }


def test_no_text_of_the_data_runs_as_a_script(hostile_report: ReportData, browser: Browser) -> None:
    document = browser(render(hostile_report), "")
    assert "<title>owned" not in document
    assert figures_drawn(document) == 6


def figures_drawn(document: str) -> int:
    plots = re.split(r'<div class="plot', document)[1:]
    return sum("main-svg" in plot[:20_000] for plot in plots)
