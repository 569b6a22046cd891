"""The report's model, its JSON, its figures and its page."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.report import figures, html, text
from plimsoll.report.model import (
    Amount,
    Band,
    Column,
    Figure,
    FigureKind,
    Headline,
    Kind,
    Line,
    LossFigure,
    Marker,
    Notice,
    Paragraph,
    Report,
    ReportError,
    RunFacts,
    Section,
    StateFigure,
    Strip,
    Table,
    Threshold,
    Tone,
    Verdict,
    Waterfall,
    WaterfallStep,
    total,
    unique_slugs,
)
from plimsoll.report.sample import sample_report
from plimsoll.report.serial import SCHEMA, to_json

ROOT = Path(__file__).resolve().parents[3]
EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)> \"'&\u2028"
VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """What a browser would make of a page: tags, text, scripts; complains about bad nesting."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def facts(**changes: Any) -> RunFacts:
    plain = RunFacts(31337, 1, 9, "0123456789abcdef", 7, Decimal("1.5"), 1_600_000_000)
    return replace(plain, **changes)


def report(*sections: Section, passed: bool = True, words: str = "x") -> Report:
    headlines = tuple(Headline(words, n, words, words) for n in range(5))
    return Report(words, Verdict(passed, words), headlines, facts(), sections, words)


def waterfall(*steps: tuple[int, int], start: tuple[int, int] = (10, 0)) -> Waterfall:
    named = tuple(WaterfallStep(f"step {i}", after) for i, after in enumerate(steps))
    return Waterfall("money", "USD", ("account", "fund"), start, named)


def everything(words: str) -> tuple[Any, ...]:
    """One block of each type, `words` wherever text is allowed."""
    line = Line(words, (0, 60, 120), (Decimal("1.5"), None, 3))
    plot = Figure(words, words, (line,), caption=words, markers=(Marker(words, 60, note=words),))
    plots = [
        replace(plot, kind=kind, thresholds=(Threshold(words, 1),))
        for kind in FigureKind
        if kind not in (FigureKind.LOSS, FigureKind.STATES)
    ]
    strip = Strip(words, (Band(words, 0, 60), Band(words, 60, 90)), (Marker(words, 60),))
    return (
        Paragraph(words),
        Notice(words),
        Table(words, (Column(words, Kind.TEXT, words), Column("h", Kind.HASH)), ((words, words),)),
        Waterfall(words, words, (words,), (1,), (WaterfallStep(words, (1,), words, 5, words),)),
        LossFigure(words, words, (words,), (Amount(words, (Decimal(2),)),), words),
        StateFigure(words, (strip,), words),
        *plots,
    )


# Model


def test_report__passed_over_lost_money__refused() -> None:
    lossy = Section("s", (waterfall((4, 6), (4, 5)),))
    with pytest.raises(ReportError, match="whose steps do not conserve the sum"):
        report(lossy)
    failed = report(lossy, passed=False)
    assert "NOT CONSERVED" in Page(html.render(failed)).text
    assert "✗ off by −1" in Page(html.render(failed)).text
    assert "✓ conserved" in Page(html.render(failed)).text


def test_waterfall__conserving_steps__drift_zero() -> None:
    steps = waterfall((4, 6), (-5, 15))
    assert steps.conserved
    assert [steps.drift(0), steps.drift(1)] == [0, 0]
    assert steps.before(1) == (4, 6)


def test_waterfall__last_digit_of_a_long_number_lost__noticed() -> None:
    big = Decimal("123456789012345678901234567890.000000000000001")
    step = WaterfallStep("s", (Decimal(0), big - big))
    exact = Waterfall("m", "USD", ("a", "b"), (big, 0), (replace(step, after=(0, big)),))
    assert exact.conserved
    short = Decimal("123456789012345678901234567890")
    lossy = replace(exact, steps=(replace(step, after=(0, short)),))
    assert lossy.drift(0) != 0
    assert not lossy.conserved


@given(st.lists(st.integers(-(10**40), 10**40)), st.integers(0, 18))
def test_total__any_amounts__exact(units: list[int], scale: int) -> None:
    amounts = [Decimal((int(u < 0), tuple(map(int, str(abs(u)))), -scale)) for u in units]
    assert total(amounts) == Decimal(
        (int(sum(units) < 0), tuple(map(int, str(abs(sum(units))))), -scale)
    )


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Table("t", (Column("c"),), (("a", "b"),)), "expected 1 cells, got 2"),
        (lambda: Table("t", (Column("c", Kind.NUMBER),), ((1.5,),)), "got float 1.5"),
        (lambda: Table("t", (Column("c", Kind.INTEGER),), ((True,),)), "got bool True"),
        (lambda: Table("t", (Column("c", Kind.NUMBER),), ((Decimal("NaN"),),)), "a finite number"),
        (lambda: Line("l", (1, 2), (3,)), "as many values as times, got 1 and 2"),
        (lambda: Line("l", (2, 1), (3, 3)), "times in order"),
        (lambda: waterfall((1, 2), start=(1,)), "expected 2 purses, got 1"),  # type: ignore[arg-type]
        (lambda: LossFigure("f", "u", ("a",), (Amount("p", ()),)), "expected 1 amounts, got 0"),
        (lambda: facts(first_block=10), "first_block <= last_block"),
        (lambda: replace(report(), headlines=()), "expected 5 headline numbers, got 0"),
    ],
)
def test_model__contradiction__refused_with_reason(make: Any, says: str) -> None:
    with pytest.raises(ReportError, match=re.escape(says)):
        make()


def test_unique_slugs__repeats_and_signs__distinct_and_never_empty() -> None:
    assert unique_slugs(["A b", "a-b", "a b 2", "§"]) == ["a-b", "a-b-2", "a-b-2-2", "part"]


# Text


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [
        (1234567, None, "1,234,567"),
        (Decimal("-1234.5600"), None, "−1,234.56"),
        (Decimal("-0.004"), 2, "0.00"),
        (Decimal("0.125"), 2, "0.12"),
        (Decimal("0.135"), 2, "0.14"),
        (Decimal("1E+3"), None, "1,000"),
        (Decimal("1E-15"), None, "0.000000000000001"),
        (10**40, 0, "10," + ",".join(["000"] * 13)),
    ],
)
def test_number__values__as_a_reader_wants(value: Any, digits: int | None, shown: str) -> None:
    assert text.number(value, digits) == shown


def test_small_formats__values__as_a_reader_wants() -> None:
    assert text.percent(Decimal("-0.2543")) == "−25.43\u202f%"
    assert text.time(1_583_971_200) == "2020-03-12 00:00:00"
    assert [text.duration(Decimal(s)) for s in ("8.44", "125", "3720")] == [
        "8.4 s",
        "2 min 05 s",
        "1 h 02 min",
    ]
    assert text.shortened("0x" + "ab" * 20) == "0xababab…ababab"


# JSON


def test_to_json__sample__exact_and_repeatable() -> None:
    data = json.loads(to_json(sample_report()))
    assert to_json(sample_report()) == to_json(sample_report())
    assert data["schema"] == SCHEMA
    assert data["verdict"]["passed"] is True
    assert data["headlines"][0]["value"] == "0.000001"
    money = next(b for s in data["sections"] for b in s["blocks"] if b["type"] == "Waterfall")
    assert money["conserved"] is True
    step = money["steps"][2]
    assert step["before"] == ["-28410", "250000", "99988", "799410", "12"]
    assert step["change"] == ["17330", "3180", "-20510", "0", "0"]
    assert step["drift"] == "0"


# Figures


def roles(node: Any) -> set[str]:
    """Every colour role that a specification asks for."""
    if isinstance(node, dict):
        return set().union(*(roles(v) for v in node.values()), set())
    if isinstance(node, list):
        return set().union(*(roles(v) for v in node), set())
    return {node[1:]} if isinstance(node, str) and re.fullmatch(r"@[\w-]+", node) else set()


def resolved(node: Any) -> Any:
    """The specification with every colour role replaced, as the page's script does."""
    if isinstance(node, dict):
        return {k: resolved(v) for k, v in node.items()}
    if isinstance(node, list):
        return [resolved(v) for v in node]
    return "#000000" if isinstance(node, str) and re.fullmatch(r"@[\w-]+", node) else node


def sample_figures() -> list[Figure | LossFigure | StateFigure]:
    blocks = [b for s in sample_report().sections for b in s.blocks]
    blocks += list(everything("words"))
    return [b for b in blocks if isinstance(b, Figure | LossFigure | StateFigure)]


def test_build__every_kind__valid_plotly_with_known_colours() -> None:
    import plotly.graph_objects as go

    seen = set()
    for figure in sample_figures():
        spec = figures.build(figure)
        seen.add(figure.kind)
        go.Figure(resolved(spec))  # raises on any unknown or malformed property
        for scheme in html._schemes().values():
            assert roles(spec) <= set(scheme)
    assert seen == set(FigureKind)


def test_lines__times_and_holes__utc_texts_and_none() -> None:
    spec = figures.build(Figure("f", "u", (Line("l", (0, 60), (None, Decimal("1.5"))),)))
    assert spec["data"][0]["x"] == ["1970-01-01 00:00:00", "1970-01-01 00:01:00"]
    assert spec["data"][0]["y"] == [None, 1.5]


def test_events__no_height_given__height_of_the_line_at_that_time() -> None:
    line = Line("l", (0, 60, 120), (1, 2, 3))
    markers = (Marker("a", 90), Marker("a", 0), Marker("a", 60), Marker("b", 90, 7))
    spec = figures.build(Figure("f", "u", (line,), markers=markers))
    assert [trace["y"] for trace in spec["data"][1:]] == [[2.0, 1.0, 2.0], [7.0]]


def test_loss_waterfall__parts__totals_on_top() -> None:
    parts = (Amount("a", (1, 2)), Amount("b", (Decimal("0.5"), 0)))
    spec = figures.build(LossFigure("f", "USD", ("x", "y"), parts))
    assert spec["data"][-1]["text"] == ["1.50 USD", "2.00 USD"]
    assert spec["data"][-1]["y"] == [1.5, 2.0]


def test_state_strips__states_and_marks__a_trace_each_and_breaks_between() -> None:
    ok, halted = Band("OK", 0, 60, Tone.GOOD), Band("HALTED", 60, 120, Tone.BAD)
    again, stale = Band("OK", 120, 180, Tone.GOOD), Band("STALE", 0, 180, Tone.BAD)
    mark = Marker("halted", 60, None, Tone.BAD, "too far apart")
    spec = figures.build(
        StateFigure("f", (Strip("one", (ok, halted, again), (mark,)), Strip("two", (stale,))))
    )
    traces = {trace["name"]: trace for trace in spec["data"]}
    assert list(traces) == ["OK", "HALTED", "STALE", "halted"]
    assert traces["OK"]["x"][2] is None
    assert traces["OK"]["y"] == ["one", "one", None, "one", "one", None]
    assert traces["HALTED"]["text"][0] == "one: HALTED for 1 min 00 s"
    assert traces["halted"]["y"] == ["one"]
    colours = [traces[name]["line"]["color"] for name in ("OK", "HALTED", "STALE")]
    assert len(set(colours)) == 3
    assert spec["layout"]["yaxis"]["categoryarray"] == ["two", "one"]  # first on top


def test_render__state_strips__summed_in_numbers() -> None:
    bands = (Band("OK", 0, 60, Tone.GOOD), Band("HALTED", 60, 120), Band("OK", 120, 150, Tone.GOOD))
    page = Page(html.render(report(Section("s", (StateFigure("f", (Strip("one", bands),)),)))))
    assert "1 min 30 s" in page.text
    assert "HALTED" in page.text


@pytest.mark.parametrize("bands", [((0, 60), (30, 90)), ((60, 0),)])
def test_strip__states_that_overlap_or_run_backwards__refused(bands: Any) -> None:
    with pytest.raises(ReportError, match="one after another"):
        Strip("one", tuple(Band("OK", a, b) for a, b in bands))


# Page


def test_render__sample__whole_page_without_network() -> None:
    source = html.render(sample_report(), "sample.json")
    page = Page(source)
    assert source.count("plotly.js v") == 1
    policy = page.all("meta")[3]["content"]
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert not page.all("img")
    assert all("src" not in script for script in page.all("script"))
    assert [link["href"] for link in page.all("link")] == ["data:,"]
    hrefs = {a["href"] for a in page.all("a")}
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert {h[1:] for h in hrefs if h and h.startswith("#")} <= ids
    assert hrefs - {f"#{i}" for i in ids} == {"./sample.json"}


def test_render__sample__says_what_the_report_says() -> None:
    words = Page(html.render(sample_report())).text
    for expected in (
        "✓ Passed",
        "Every identity held at each of 577 blocks",
        "31337",
        "1,042 – 1,619",
        "3f6c1d2e9ab0",
        "20200312",
        "1 min 23 s",
        "−28,410.00",
        "−59,410.00",
        "every step conserves the sum",
        "stale <b>feed</b>",
    ):
        assert expected in words


def test_render__tables__captions_scopes_and_right_alignment() -> None:
    table = Table(
        "t", (Column("name"), Column("n", Kind.NUMBER, "USD", 2)), (("a", Decimal("1234.5")),)
    )
    source = html.render(report(Section("s", (table,))))
    assert "<caption>t</caption>" in source
    assert '<th scope="col" class="num">n<span class="unit">USD</span></th>' in source
    assert '<th scope="row">a</th><td class="num">1,234.50</td>' in source


def test_render__hostile_text_everywhere__shown_and_not_obeyed() -> None:
    evil = report(Section(EVIL, everything(EVIL)), words=EVIL)
    evil = replace(evil, facts=facts(git_commit=EVIL, extra=((EVIL, EVIL),)))
    calm = report(Section("s", everything("words")), words="words")
    calm = replace(calm, facts=facts(extra=(("words", "words"),)))
    bad, good = Page(html.render(evil, EVIL)), Page(html.render(calm, "a"))
    assert [tag for tag, _ in bad.tags] == [tag for tag, _ in good.tags]
    known = {name for _, attributes in good.tags for name in attributes}
    assert {name for _, attributes in bad.tags for name in attributes} == known
    specs = json.loads(next(s for s in bad.scripts if "figure-1" in s and s.startswith("{")))
    for spec in specs.values():
        assert "<" not in json.dumps(spec).replace("<extra></extra>", "")


def test_embedded__signs_that_could_end_a_script__written_as_escapes() -> None:
    raw = html._embedded({"a": "</script><!--&\u2028\u2029"})
    assert not set("<>&\u2028\u2029") & set(raw)
    assert json.loads(raw) == {"a": "</script><!--&\u2028\u2029"}


def test_render__no_figures__no_plotting_library() -> None:
    source = html.render(report(Section("s", (Paragraph("p"),))))
    assert len(source) < 50_000
    assert "plotly.js v" not in source


def test_render__same_section_twice__distinct_anchors() -> None:
    page = Page(html.render(report(Section("A", ()), Section("A", ()), Section("Summary", ()))))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_write__path__html_and_json_and_nothing_else(tmp_path: Path) -> None:
    page, data = html.write(sample_report(), tmp_path / "out" / "crash.html")
    assert sorted(p.name for p in page.parent.iterdir()) == ["crash.html", "crash.json"]
    assert json.loads(data.read_text(encoding="utf-8"))["title"] == sample_report().title
    assert 'href="./crash.json"' in page.read_text(encoding="utf-8")


def test_schemes__text_on_its_background__readable_contrast() -> None:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for name, scheme in html._schemes().items():
        for role in ("text", "muted", "link", "good", "warn", "bad"):
            for ground in ("page", "paper"):
                low, high = sorted((luminance(scheme[role]), luminance(scheme[ground])))
                assert (high + 0.05) / (low + 0.05) >= 4.5, (name, role, ground)


def test_report_package__imported__plotly_not_loaded() -> None:
    code = "import sys, plimsoll.report; print('plotly' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.split() == ["False", "False"]
