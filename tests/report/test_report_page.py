"""The page as a document: complete, self-contained, and safe with hostile input."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from xmer_spark.report import render
from xmer_spark.report.data import Content, Entity, Gallery, Provenance, Record, ReportData
from xmer_spark.report.render import build_figures, sections, snippet

PROVENANCE = Provenance("f00d", "3", "warehouse", {"members": 4, "entities": 5})


class Document(HTMLParser):
    """Tags with their attributes, and the text outside of style and script."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img", "input", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.text += data


def without_plotly(page: str) -> str:
    """The page less plotly's own source, which is too long to parse in every test."""
    scripts = list(re.finditer(r"<script>.*?</script>", page, re.DOTALL))
    longest = max(scripts, key=lambda match: len(match.group()))
    return page.replace(longest.group(), "") if len(longest.group()) > 1_000_000 else page


def test_every_section_is_there_and_every_tag_is_closed(report: ReportData) -> None:
    page = Document(without_plotly(render(report)))
    assert page.open == []
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {section.anchor for section in sections(report)} <= set(ids)
    assert len(sections(report)) == 10
    for shown in (
        "1,234",
        "3 of 3,210 entities",
        "0.580 \N{EN DASH} 0.640",
        "never scored",
        "by itself",
        "photo and name",
        "words in common",
        "image with text, row",
        "eats most",
        "bow, a vector of a text",
        "41 not drawn",
        "1 min 15 s",
        "empty text",
    ):
        assert shown in page.text


def test_what_the_data_leaves_empty_is_left_out() -> None:
    bare = ReportData("Bare", "today", {"items": 0}, Provenance("r", "1", "w", {"metrics": 1}))
    page = render(bare)
    assert [section.anchor for section in sections(bare)] == ["query"]
    assert "What limits this" not in page
    assert 'id="filters"' not in page
    assert len(page) < 60_000  # without figures, plotly is not carried along


def test_a_run_without_entities_is_told_how_to_read_its_metrics() -> None:
    text = snippet(Provenance("r", "1", "/data/w/", {"metrics": 6}))
    assert "DeltaTable('/data/w/metrics', version=6)" in text
    assert "members" not in text
    compile(text, "snippet", "exec")
    compile(snippet(PROVENANCE), "snippet", "exec")


def test_nothing_is_loaded_from_anywhere(report: ReportData) -> None:
    page = Document(without_plotly(render(report)))
    for tag, attributes in page.tags:
        assert tag not in {"link", "iframe", "object", "embed", "base"}
        for name in ("src", "href", "action", "srcset"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/"))
        assert not any(name.startswith("on") for name in attributes)
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "unsafe-inline" not in policy.partition("script-src")[2]


def test_no_string_of_the_data_becomes_markup(report: ReportData, hostile_report: ReportData) -> None:
    harmless = Document(without_plotly(render(report)))
    attacked = Document(without_plotly(render(hostile_report)))
    count = [tag for tag, _ in harmless.tags].count
    assert [tag for tag, _ in attacked.tags].count("script") == count("script")
    assert not any(name.startswith("on") for _, attributes in attacked.tags for name in attributes)
    assert "{{7*7}}" in attacked.text
    assert attacked.text.count("<script>") > 20


def test_every_image_and_figure_has_a_text_for_those_who_cannot_see_it(report: ReportData) -> None:
    page = Document(without_plotly(render(report)))
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    plots = [attributes for _, attributes in page.tags if attributes.get("class") == "plot"]
    assert len(images) == 5
    assert all(attributes["alt"] for attributes in images)
    assert {attributes["id"] for attributes in plots} == set(build_figures(report))
    assert all(attributes["aria-label"] for attributes in plots)


def test_figures_are_json_that_a_browser_can_read(report: ReportData) -> None:
    text = re.search(r'id="figures">(.*?)</script>', render(report), re.DOTALL)
    assert text is not None

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    figures = json.loads(text.group(1), parse_constant=refuse)
    assert figures["precision-recall-decided-0"]["data"][1]["y"] == [1, 0.8, None]
    assert figures["distribution-decided-0"]["data"][1]["y"] == [None, 7]


def test_the_threshold_in_force_is_the_last_point_that_reaches_it(report: ReportData) -> None:
    text = Document(without_plotly(render(report))).text
    assert "at 0.40: precision 0.800, recall 0.600" in text


def test_a_large_photograph_is_made_small_and_a_broken_one_is_said_to_be() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (900, 1200, 3), dtype=np.uint8)
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(noise).save(out, "JPEG", quality=95)
    cut = out.getvalue()[:200] + b"\0" * 20_000
    photo, broken = (
        Record(f"p/{n}", "photos", [Content("photo", "image", image=image)])
        for n, image in enumerate((out.getvalue(), cut))
    )
    gallery = Gallery([Entity("e", "Photo", [photo, broken])], 1)
    page = render(ReportData("Photos", "today", {}, PROVENANCE, gallery=gallery))
    assert len(out.getvalue()) > 500_000
    assert len(page) < 100_000
    assert "data:image/webp;base64," in page
    assert page.count("image cannot be shown") == 1


def test_a_very_big_entity_does_not_fill_the_page_but_says_how_big_it_is() -> None:
    records = [Record(f"c/{i}", "cldr", [Content("name", "text", "word")]) for i in range(1512)]
    gallery = Gallery([Entity("e", "Big", records)], 1)
    page = render(ReportData("Big", "today", {}, PROVENANCE, gallery=gallery))
    assert page.count('<li class="tile') == 12
    assert "and 1,500 more records" in page


@pytest.mark.parametrize(
    "truths", [["right", "right"], ["right", "wrong"], ["right", "missing"], [None, "right"]]
)
def test_an_entity_is_right_only_if_nothing_is_wrong_missing_or_unknown(truths: list[str | None]) -> None:
    records = [Record(str(i), "s", truth=t) for i, t in enumerate(truths)]  # type: ignore[arg-type]
    verdicts = {"right": "right", "wrong": "wrong", "missing": "incomplete", None: "unknown"}
    expected = verdicts[truths[0] if truths[1] == "right" else truths[1]]
    assert Entity("e", "t", records).verdict == expected
