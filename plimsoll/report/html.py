"""A report as one HTML file that needs no server and no network.

The page carries its style, its data and plotly.js once; a content security policy forbids it to
fetch anything. All text of the report is escaped. Colours follow the reader's light or dark
scheme; tables are real tables with captions and scoped heads; figures have a summary in words for
those who cannot see them or run no scripts, and their data as CSV.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from decimal import Decimal
from html import escape
from pathlib import Path
from typing import Any

from plimsoll.report import figures, text
from plimsoll.report.model import (
    Cell,
    Column,
    Figure,
    Headline,
    Kind,
    LossFigure,
    Notice,
    Number,
    Paragraph,
    Report,
    Section,
    StateFigure,
    Table,
    Waterfall,
    total,
    unique_slugs,
)
from plimsoll.report.serial import to_json

_HERE = Path(__file__).parent
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; base-uri 'none'; form-action 'none'"
)
_RIGHT = {Kind.INTEGER, Kind.NUMBER, Kind.PERCENT}

LIGHT = {
    "page": "#f6f7f9",
    "paper": "#ffffff",
    "text": "#1b2230",
    "muted": "#5a6475",
    "rule": "#e3e6eb",
    "grid": "#e9ecf0",
    "axis": "#aeb6c2",
    "link": "#1f5fbf",
    "neutral": "#5a6475",
    "good": "#18753c",
    "warn": "#935c00",
    "bad": "#b3261e",
    "neutral-fill": "rgba(90,100,117,.07)",
    "good-fill": "rgba(24,117,60,.09)",
    "warn-fill": "rgba(214,142,0,.13)",
    "bad-fill": "rgba(179,38,30,.09)",
}
DARK = {
    "page": "#10141b",
    "paper": "#181d26",
    "text": "#e6e9ef",
    "muted": "#9aa5b5",
    "rule": "#2a313d",
    "grid": "#262d38",
    "axis": "#556072",
    "link": "#7db0ff",
    "neutral": "#9aa5b5",
    "good": "#5fce8b",
    "warn": "#f0b64d",
    "bad": "#ff8a80",
    "neutral-fill": "rgba(154,165,181,.09)",
    "good-fill": "rgba(95,206,139,.12)",
    "warn-fill": "rgba(240,182,77,.15)",
    "bad-fill": "rgba(255,138,128,.14)",
}
_LINES_LIGHT = "#1f5fbf #c4580a #23824a #8a3fb0 #0b7f8c #b02a5b #6b5b00 #4d5666".split()
_LINES_DARK = "#7db0ff #ff9f5a #6fd08f #cf9bea #5fcad6 #ff8fb3 #d9c65c #b4bdcb".split()


def write(report: Report, path: Path) -> tuple[Path, Path]:
    """Writes `path` (made to end in .html) and the JSON beside it; returns both paths.

    Each file is replaced in one step, so a reader never sees half of one.
    """
    page = path.with_suffix(".html")
    data = path.with_suffix(".json")
    page.parent.mkdir(parents=True, exist_ok=True)
    for target, content in ((data, to_json(report)), (page, render(report, data.name))):
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        draft.write_text(content, encoding="utf-8")
        draft.replace(target)
    return page, data


def render(report: Report, json_name: str = "") -> str:
    """The page as text. `json_name` is the file that its last line links to, if any."""
    plots: dict[str, figures.Spec] = {}
    anchors = unique_slugs(["summary", *(section.title for section in report.sections)])
    drawn = _Figures(plots)
    body = "".join(
        _section(section, anchor, drawn)
        for section, anchor in zip(report.sections, anchors[1:], strict=True)
    )
    titles = ["Summary", *(section.title for section in report.sections)]
    script = f"<script>{figures.plotly_script()}</script>" if plots else ""
    behaviour = f"<script>{_asset('report.js')}</script>" if plots else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{escape(report.title)}</title>
<link rel="icon" href="data:,">
<style>{_scheme_css()}{_asset("report.css")}</style>
</head>
<body>
<a class="skip" href="#summary">Skip to the report</a>
<div class="frame">
{_contents(titles, anchors)}
<main>
{_front(report)}
{body}
{_footer(report, json_name)}
</main>
</div>
<script type="application/json" id="schemes">{_embedded(_schemes())}</script>
<script type="application/json" id="figures">{_embedded(plots)}</script>
{script}
{behaviour}
</body>
</html>
"""


class _Figures:
    """Collects the figures' specifications under names of their own."""

    def __init__(self, plots: dict[str, figures.Spec]) -> None:
        self.plots = plots

    def add(self, figure: Figure | LossFigure | StateFigure) -> str:
        name = f"figure-{len(self.plots) + 1}"
        self.plots[name] = figures.build(figure)
        return name


def _schemes() -> dict[str, dict[str, str]]:
    """All colour roles by scheme, lines and their fills included."""
    schemes = {}
    for name, base, strokes in (("light", LIGHT, _LINES_LIGHT), ("dark", DARK, _LINES_DARK)):
        roles = dict(base)
        for index, stroke in enumerate(strokes):
            red, green, blue = (int(stroke[i : i + 2], 16) for i in (1, 3, 5))
            roles[f"line{index}"] = stroke
            roles[f"fill{index}"] = f"rgba({red},{green},{blue},.16)"
        schemes[name] = roles
    return schemes


def _scheme_css() -> str:
    def rules(colours: dict[str, str]) -> str:
        return "".join(f"--{role}:{colour};" for role, colour in colours.items())

    return (
        f":root{{color-scheme:light dark;{rules(LIGHT)}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{rules(DARK)}}}}}"
    )


def _asset(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _embedded(data: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    raw = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        raw = raw.replace(sign, f"\\u{ord(sign):04x}")
    return raw


def _contents(titles: Iterable[str], anchors: Iterable[str]) -> str:
    items = "".join(
        f'<li><a href="#{anchor}">{escape(title)}</a></li>'
        for title, anchor in zip(titles, anchors, strict=True)
    )
    return f'<nav class="toc" aria-label="Contents"><strong>Contents</strong><ol>{items}</ol></nav>'


def _front(report: Report) -> str:
    passed = report.verdict.passed
    subtitle = f'<p class="subtitle">{escape(report.subtitle)}</p>' if report.subtitle else ""
    cards = "".join(_card(headline) for headline in report.headlines)
    return f"""<header id="summary">
<h1>{escape(report.title)}</h1>{subtitle}
<div class="verdict {"good" if passed else "bad"}"><b>{"✓ Passed" if passed else "✗ Failed"}</b>
<p>{escape(report.verdict.sentence)}</p></div>
<ul class="cards">{cards}</ul>
{_facts(report)}
</header>"""


def _card(headline: Headline) -> str:
    value = headline.value
    if isinstance(value, bool) or value is None or isinstance(value, str):
        shown = text.cell(value, Column(""))
    else:
        shown = text.number(value, headline.digits)
    unit = f' <span class="unit">({escape(headline.unit)})</span>' if headline.unit else ""
    note = f'<div class="note">{escape(headline.note)}</div>' if headline.note else ""
    return (
        f'<li class="{headline.tone.value}"><div class="label">'
        f'{escape(headline.label)}{unit}</div><div class="value">{escape(shown)}</div>{note}</li>'
    )


def _facts(report: Report) -> str:
    facts = report.facts
    pairs = [
        ("Chain id", str(facts.chain_id)),
        ("Blocks", f"{text.number(facts.first_block)} – {text.number(facts.last_block)}"),
        ("Git commit", facts.git_commit[:12]),
        ("Seed", str(facts.seed)),
        ("Duration", text.duration(facts.duration)),
        ("Finished (UTC)", text.time(facts.finished)),
        *facts.extra,
    ]
    items = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in pairs)
    return f'<dl class="facts">{items}</dl>'


def _footer(report: Report, json_name: str) -> str:
    link = ""
    if json_name:
        link = (
            f' The same data for programs: <a href="./{escape(json_name)}">{escape(json_name)}</a>.'
        )
    return (
        f"<footer>Written {text.time(report.facts.finished)} UTC. "
        f"This file needs no network.{link}</footer>"
    )


def _section(section: Section, anchor: str, drawn: _Figures) -> str:
    blocks = "\n".join(_block(block, drawn) for block in section.blocks)
    return (
        f'<section aria-labelledby="{anchor}"><h2 id="{anchor}">{escape(section.title)}</h2>\n'
        f"{blocks}</section>\n"
    )


def _block(block: Any, drawn: _Figures) -> str:
    if isinstance(block, Figure | LossFigure | StateFigure):
        return _figure(block, drawn.add(block))
    return _RENDERERS[type(block)](block)


def _paragraph(block: Paragraph) -> str:
    return f"<p>{escape(block.text)}</p>"


def _notice(block: Notice) -> str:
    return f'<p class="notice {block.tone.value}" role="note">{escape(block.text)}</p>'


def _table(table: Table) -> str:
    head = "".join(_head(column) for column in table.columns)
    rows = "".join(_row(table.columns, row) for row in table.rows)
    if not table.rows:
        rows = f'<tr><td colspan="{len(table.columns)}">none</td></tr>'
    return _framed(table.title, "", head, rows, table.caption)


def _row(columns: tuple[Column, ...], row: tuple[Cell, ...]) -> str:
    pairs = zip(row, columns, strict=True)
    cells = "".join(_cell(value, column, index) for index, (value, column) in enumerate(pairs))
    return f"<tr>{cells}</tr>"


def _framed(title: str, unit: str, head: str, rows: str, note: str, kind: str = "") -> str:
    shown = f' <span class="unit">{escape(unit)}</span>' if unit else ""
    below = f'<p class="caption">{escape(note)}</p>' if note else ""
    caption = f"<caption>{escape(title)}{shown}</caption>" if title else ""
    label = escape(title or "data")
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}">'
        f'<table class="{kind}">{caption}'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{below}"
    )


def _head(column: Column) -> str:
    unit = "UTC" if column.kind is Kind.TIME and not column.unit else column.unit
    shown = f'<span class="unit">{escape(unit)}</span>' if unit else ""
    return f'<th scope="col"{_class(column)}>{escape(column.name)}{shown}</th>'


def _class(column: Column) -> str:
    if column.kind in _RIGHT:
        return ' class="num"'
    return ' class="time"' if column.kind is Kind.TIME else ""


def _cell(value: Cell, column: Column, index: int) -> str:
    shown = escape(text.cell(value, column))
    if column.kind is Kind.HASH and isinstance(value, str):
        shown = f'<code title="{escape(value)}">{shown}</code>'
    if isinstance(value, bool):
        shown = (
            f'<span class="{"pass" if value else "fail"}">{"✓" if value else "✗"} {shown}</span>'
        )
    if index == 0 and column.kind not in _RIGHT:
        return f'<th scope="row"{_class(column)}>{shown}</th>'
    return f"<td{_class(column)}>{shown}</td>"


def _waterfall(waterfall: Waterfall) -> str:
    names = (*waterfall.purses, "Sum")
    head = '<th scope="col">Step</th>' + "".join(
        f'<th scope="col" class="num{" sum" if i == len(names) - 1 else ""}">{escape(name)}</th>'
        for i, name in enumerate(names)
    )
    rows = [_start_row(waterfall)]
    rows += [_step_row(waterfall, index) for index in range(len(waterfall.steps))]
    state = "every step conserves the sum" if waterfall.conserved else "NOT CONSERVED"
    unit = f"{waterfall.unit} · {state}"
    return _framed(waterfall.title, unit, head, "".join(rows), waterfall.caption, "waterfall")


def _start_row(waterfall: Waterfall) -> str:
    cells = "".join(
        f'<td class="num">{text.number(value, waterfall.digits)}</td>' for value in waterfall.start
    )
    whole = text.number(total(waterfall.start), waterfall.digits)
    return f'<tr><th scope="row">Start</th>{cells}<td class="num sum">{whole}</td></tr>'


def _step_row(waterfall: Waterfall, index: int) -> str:
    step = waterfall.steps[index]
    where = [f"block {text.number(step.block)}"] if step.block is not None else []
    where += [text.shortened(step.transaction)] if step.transaction else []
    note = " · ".join([*([step.note] if step.note else []), *where])
    small = f"<small>{escape(note)}</small>" if note else ""
    cells = "".join(
        f'<td class="num">{text.number(after, waterfall.digits)}'
        f"{_change(total((after, -before)), waterfall.digits)}</td>"
        for after, before in zip(step.after, waterfall.before(index), strict=True)
    )
    drift = waterfall.drift(index)
    verdict = (
        '<small class="pass">✓ conserved</small>'
        if drift == 0
        else f'<small class="fail">✗ off by {_signed(drift, None)}</small>'
    )
    whole = text.number(total(step.after), waterfall.digits)
    return (
        f'<tr><th scope="row">{index + 1}. {escape(step.name)}{small}</th>{cells}'
        f'<td class="num sum">{whole}{verdict}</td></tr>'
    )


def _change(change: Decimal, digits: int) -> str:
    if change == 0:
        return '<small class="same">unchanged</small>'
    return f'<small class="{"up" if change > 0 else "down"}">{_signed(change, digits)}</small>'


def _signed(value: Decimal, digits: int | None) -> str:
    return ("+" if value > 0 else "") + text.number(value, digits)


def _figure(figure: Figure | LossFigure | StateFigure, name: str) -> str:
    caption = f'<p class="caption">{escape(figure.caption)}</p>' if figure.caption else ""
    title = f'<span class="title">{escape(figure.title)}</span>'
    kind = "plot"
    if isinstance(figure, StateFigure):
        kind, unit = "plot strips", "time in UTC"
    elif isinstance(figure, LossFigure):
        unit = figure.unit
    else:
        unit = f"{figure.unit} · time in UTC"
    return f"""<figure aria-labelledby="{name}-title">
<figcaption><span id="{name}-title">{title} <span class="unit">{escape(unit)}</span></span>
<button type="button" data-csv="{name}" hidden>CSV</button></figcaption>{caption}
<div class="{kind}" id="{name}" role="img" aria-labelledby="{name}-title"></div>
<noscript><p>The plot needs scripts; its figures are below.</p></noscript>
<details><summary>In numbers</summary>{_summary(figure)}</details>
</figure>"""


def _summary(figure: Figure | LossFigure | StateFigure) -> str:
    """The figure as a small table: ends and extremes of lines, events; or every stacked part."""
    if isinstance(figure, StateFigure):
        return _state_summary(figure)
    if isinstance(figure, LossFigure):
        columns = (
            Column("Case"),
            *(Column(p.name, Kind.NUMBER, figure.unit) for p in figure.parts),
        )
        rows = tuple(
            (case, *(part.values[i] for part in figure.parts))
            for i, case in enumerate(figure.cases)
        )
        return _table(Table("", columns, rows))
    names = ("First", "Lowest", "Highest", "Last")
    columns = (Column("Line"), *(Column(n, Kind.NUMBER, figure.unit, 4) for n in names))
    table = Table("", columns, tuple((line.name, *_ends(line.values)) for line in figure.lines))
    if not figure.markers:
        return _table(table)
    events = Table(
        "",
        (Column("Time", Kind.TIME), Column("Event"), Column("Note")),
        tuple((m.time, m.label, m.note) for m in figure.markers),
    )
    return _table(table) + _table(events)


def _state_summary(figure: StateFigure) -> str:
    """How often and how long each strip was in each state, and what is marked on it."""
    rows: list[tuple[Cell, ...]] = []
    for strip in figure.strips:
        for state in dict.fromkeys(band.state for band in strip.bands):
            spans = [band.end - band.start for band in strip.bands if band.state == state]
            longest, whole = text.duration(max(spans)), text.duration(sum(spans))
            rows.append((strip.name, state, len(spans), whole, longest))
    columns = (
        Column(""),
        Column("State"),
        Column("Times", Kind.INTEGER),
        Column("Altogether"),
        Column("Longest"),
    )
    events = [(m.time, strip.name, m.note or m.label) for strip in figure.strips
              for m in strip.markers]  # fmt: skip
    table = _table(Table("", columns, tuple(rows)))
    if not events:
        return table
    heads = (Column("Time", Kind.TIME), Column(""), Column("Event"))
    return table + _table(Table("", heads, tuple(sorted(events))))


def _ends(values: tuple[Number | None, ...]) -> tuple[Number | None, ...]:
    known = [value for value in values if value is not None]
    if not known:
        return (None, None, None, None)
    return (known[0], min(known), max(known), known[-1])


_RENDERERS: dict[type, Callable[[Any], str]] = {
    Paragraph: _paragraph,
    Notice: _notice,
    Table: _table,
    Waterfall: _waterfall,
}

__all__ = ["DARK", "LIGHT", "render", "write"]
