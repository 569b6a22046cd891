"""Figures of the model as plotly specifications: `{"data": [...], "layout": {...}}`.

Colours are names of roles (`@good`, `@line3`), replaced in the browser by those of the reader's
light or dark scheme, so one specification serves both. Times become `YYYY-MM-DD HH:MM:SS` texts,
which plotly places on a UTC axis. A specification is plain JSON; the plotting library is needed
only to draw it, and `plotly_script` is the one place that reads it.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

from plimsoll.report import text
from plimsoll.report.model import (
    Band,
    Figure,
    FigureKind,
    Line,
    LossFigure,
    Marker,
    Number,
    StateFigure,
    Strip,
    Threshold,
    Tone,
)

Spec: TypeAlias = dict[str, Any]
PALETTE = 8
"""How many line colours a scheme has; further lines begin again with dashes."""

LABEL_PIXELS = 15  # height of a band's label
STRIP_PIXELS, STRIP_WIDTH = 54, 26  # height of a strip's row, and of its coloured part

_DASHES = ("solid", "dash", "dot", "dashdot")
_SYMBOLS = {
    Tone.NEUTRAL: "circle",
    Tone.GOOD: "triangle-up",
    Tone.WARN: "diamond",
    Tone.BAD: "x",
}


def build(figure: Figure | LossFigure | StateFigure) -> Spec:
    """The specification of any figure of the model."""
    if isinstance(figure, LossFigure):
        return loss_waterfall(figure)
    if isinstance(figure, StateFigure):
        return state_strips(figure)
    return _BUILDERS[figure.kind](figure)


def plotly_script() -> str:
    """The source of plotly.js, the version that the installed Python package carries."""
    from plotly.offline import get_plotlyjs

    source = str(get_plotlyjs())
    if "</script" in source.lower():
        raise RuntimeError(
            "expected a script that can stand inside an HTML page, got one that closes its tag; "
            "install the locked plotly version"
        )
    return source


def lines(figure: Figure) -> Spec:
    """Plain lines over time."""
    data = [_trace(line, index) for index, line in enumerate(figure.lines)]
    return {"data": [*data, *_events(figure)], "layout": _layout(figure)}


def price_path(figure: Figure) -> Spec:
    """Prices, the first one strongest; states are shaded and events marked."""
    spec = lines(figure)
    for trace in spec["data"][: len(figure.lines)]:
        trace["line"]["width"] = 1.4
    if spec["data"]:
        spec["data"][0]["line"]["width"] = 2.2
    return spec


def account_health(figure: Figure) -> Spec:
    """Health of accounts; what lies under a threshold is liquidatable or insolvent."""
    spec = lines(figure)
    lowest = [t.value for t in figure.thresholds if t.tone is Tone.BAD]
    if lowest and not figure.logarithmic:
        values = [float(v) for line in figure.lines for v in line.values if v is not None]
        spec["layout"]["shapes"].append(_floor_shade(min([0.0, *values]), max(lowest)))
    return spec


def fund(figure: Figure) -> Spec:
    """The insurance fund and what was socialised: areas that step at each payment."""
    spec = lines(figure)
    for index, trace in enumerate(spec["data"][: len(figure.lines)]):
        trace["line"]["shape"] = "hv"
        trace["fill"] = "tozeroy"
        trace["fillcolor"] = f"@fill{index % PALETTE}"
    spec["layout"]["yaxis"]["rangemode"] = "tozero"
    return spec


def solvency_slack(figure: Figure) -> Spec:
    """Assets less liabilities at every block: an area that must never cross zero."""
    spec = fund(figure)
    spec["layout"]["shapes"].append(_level(Threshold("insolvent below", 0)))
    return spec


def loss_waterfall(figure: LossFigure) -> Spec:
    """Stacked bars: who bore how much, in the order of the waterfall, with the total on top."""
    cases = [_plain(case) for case in figure.cases]
    data: list[Spec] = [
        {
            "type": "bar",
            "name": _plain(part.name),
            "x": cases,
            "y": [float(value) for value in part.values],
            "customdata": [_shown(value, figure.unit) for value in part.values],
            "hovertemplate": "%{fullData.name}: %{customdata}<extra></extra>",
            "marker": {"color": f"@line{index % PALETTE}"},
        }
        for index, part in enumerate(figure.parts)
    ]
    totals = [
        sum((Decimal(p.values[i]) for p in figure.parts), Decimal(0)) for i in range(len(cases))
    ]
    tops = [sum((max(float(p.values[i]), 0) for p in figure.parts), 0.0) for i in range(len(cases))]
    data.append(
        {
            "type": "scatter",
            "mode": "text",
            "x": cases,
            "y": tops,
            "text": [_shown(value, figure.unit) for value in totals],
            "textposition": "top center",
            "textfont": {"color": "@text", "size": 12},
            "hoverinfo": "skip",
            "showlegend": False,
            "cliponaxis": False,
        }
    )
    layout = _frame(figure.unit)
    layout["margin"]["t"] = 28
    layout["barmode"] = "relative"
    layout["bargap"] = 0.45
    layout["xaxis"].update(type="category", showgrid=False)
    layout["hovermode"] = "x unified"
    return {"data": data, "layout": layout}


def state_strips(figure: StateFigure) -> Spec:
    """A row per strip, a colour per state; marks stand on the rows, so that short states show."""
    strips = [(_plain(strip.name), strip) for strip in figure.strips]
    colours = _state_colours(figure)
    data = [_state_trace(state, colour, strips) for state, colour in colours.items()]
    groups: dict[str, list[tuple[str, Marker]]] = {}
    for name, strip in strips:
        for marker in strip.markers:
            groups.setdefault(marker.label, []).append((name, marker))
    for label, group in groups.items():
        rows = [name for name, _ in group]
        data.append(_marks(label, [marker for _, marker in group], rows))
    layout = _frame("")
    layout["margin"]["t"] = 8
    layout["xaxis"].update(type="date", tickangle=0)
    layout["yaxis"].update(
        type="category",
        categoryorder="array",
        categoryarray=[name for name, _ in reversed(strips)],
        showgrid=False,
        range=[-0.6, len(strips) - 0.4],
    )
    del layout["yaxis"]["tickformat"]
    layout["legend"]["y"] = -0.3
    layout["hovermode"] = "closest"
    layout["height"] = 110 + STRIP_PIXELS * max(len(strips), 1)
    return {"data": data, "layout": layout}


def _state_colours(figure: StateFigure) -> dict[str, str]:
    """A colour for each state: its tone's; further states of a tone get a line colour."""
    tones = {band.state: band.tone for strip in figure.strips for band in strip.bands}
    colours: dict[str, str] = {}
    spare = iter(f"@line{index}" for index in (3, 4, 5, 6, 7, 0, 1, 2))
    for state, tone in sorted(tones.items(), key=lambda one: (_TONE_ORDER[one[1]], one[0])):
        mine = f"@{tone.value}"
        colours[state] = next(spare, mine) if mine in colours.values() else mine
    return colours


def _state_trace(state: str, colour: str, strips: Sequence[tuple[str, Strip]]) -> Spec:
    """All stretches of one state as thick lines with breaks between them."""
    x: list[str | None] = []
    y: list[str | None] = []
    words: list[str | None] = []
    for name, strip in strips:
        for band in strip.bands:
            if band.state != state:
                continue
            said = f"{name}: {_plain(state)} for {text.duration(band.end - band.start)}"
            x += [text.time(band.start), text.time(band.end), None]
            y += [name, name, None]
            words += [said, said, None]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": _plain(state),
        "x": x,
        "y": y,
        "text": words,
        "hovertemplate": "%{text}, %{x}<extra></extra>",
        "line": {"color": colour, "width": STRIP_WIDTH},
        "connectgaps": False,
    }


_TONE_ORDER = {Tone.GOOD: 0, Tone.NEUTRAL: 1, Tone.WARN: 2, Tone.BAD: 3}

_BUILDERS: dict[FigureKind, Callable[[Figure], Spec]] = {
    FigureKind.PRICE: price_path,
    FigureKind.HEALTH: account_health,
    FigureKind.FUND: fund,
    FigureKind.SLACK: solvency_slack,
    FigureKind.LINES: lines,
}


def _trace(line: Line, index: int) -> Spec:
    """A line of the figure, coloured by its place."""
    return {
        "type": "scatter",
        "mode": "lines" if len(line.times) > 1 else "markers",
        "name": _plain(line.name),
        "x": [text.time(ts) for ts in line.times],
        "y": [None if value is None else float(value) for value in line.values],
        "line": {
            "color": f"@line{index % PALETTE}",
            "dash": _DASHES[index // PALETTE % len(_DASHES)],
            "shape": "hv" if line.step else "linear",
            "width": 1.8,
        },
        "connectgaps": False,
        "hovertemplate": "%{fullData.name}: %{y:,.6~g}<extra></extra>",
    }


def _events(figure: Figure) -> list[Spec]:
    """Markers, grouped by label so that each label stands in the legend once."""
    groups: dict[str, list[Marker]] = {}
    for marker in figure.markers:
        groups.setdefault(marker.label, []).append(marker)
    return [
        _marks(label, group, [_height(m, figure.lines) for m in group])
        for label, group in groups.items()
    ]


def _marks(label: str, group: Sequence[Marker], heights: Sequence[Any]) -> Spec:
    """Events of one label, each at its height."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": _plain(label),
        "x": [text.time(m.time) for m in group],
        "y": list(heights),
        "text": [_plain(m.note or m.label) for m in group],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {
            "symbol": _SYMBOLS[group[0].tone],
            "color": f"@{group[0].tone.value}",
            "size": 10,
            "line": {"width": 1.2, "color": "@paper"},
        },
    }


def _height(marker: Marker, drawn: Sequence[Line]) -> float | None:
    """The marker's own height, or that of the first line at or before its time."""
    if marker.value is not None:
        return float(marker.value)
    height = None
    for line in drawn[:1]:
        for ts, value in zip(line.times, line.values, strict=True):
            if value is not None and (ts <= marker.time or height is None):
                height = float(value)
            if ts > marker.time:
                break
    return height


def _layout(figure: Figure) -> Spec:
    layout = _frame(figure.unit)
    layout["xaxis"].update(type="date", tickangle=0)
    if figure.logarithmic:
        layout["yaxis"]["type"] = "log"
    layout["hovermode"] = "x unified"
    for band in figure.bands:
        layout["shapes"].append(_shade(band))
    firsts = {band.state: band for band in reversed(figure.bands)}
    for row, (state, band) in enumerate(firsts.items()):
        layout["annotations"].append(_band_label(state, band, row))
    if firsts:
        layout["margin"]["t"] = 13 + LABEL_PIXELS * len(firsts)
    for threshold in figure.thresholds:
        layout["shapes"].append(_level(threshold))
        layout["annotations"].append(_level_label(threshold, figure.logarithmic))
    return layout


def _frame(unit: str) -> Spec:
    """What all figures share."""
    axis = {
        "gridcolor": "@grid",
        "linecolor": "@axis",
        "tickcolor": "@axis",
        "zerolinecolor": "@axis",
        "automargin": True,
    }
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": "@text"},
        "margin": {"l": 56, "r": 12, "t": 12, "b": 40},
        "height": 400,
        "xaxis": {**axis, "showline": True},
        "yaxis": {
            **axis,
            "title": {"text": _plain(unit), "font": {"size": 12, "color": "@muted"}},
            "tickformat": ",~f",
        },
        "legend": {"orientation": "h", "y": -0.15, "x": 0, "yanchor": "top"},
        "modebar": {"bgcolor": "@paper", "color": "@muted", "activecolor": "@text"},
        "hoverlabel": {"bgcolor": "@paper", "bordercolor": "@axis", "font": {"color": "@text"}},
        "shapes": [],
        "annotations": [],
    }


def _shade(band: Band) -> Spec:
    return {
        "type": "rect",
        "xref": "x",
        "yref": "paper",
        "x0": text.time(band.start),
        "x1": text.time(band.end),
        "y0": 0,
        "y1": 1,
        "fillcolor": f"@{band.tone.value}-fill",
        "line": {"width": 0},
        "layer": "below",
    }


def _band_label(state: str, band: Band, row: int) -> Spec:
    """The state's name over its first band; each state in a row of its own, so none overlap."""
    return {
        "xref": "x",
        "yref": "paper",
        "x": text.time(band.start),
        "y": 1.0,
        "xanchor": "left",
        "yanchor": "bottom",
        "yshift": LABEL_PIXELS * row,
        "text": _plain(state),
        "showarrow": False,
        "font": {"size": 11, "color": f"@{band.tone.value}"},
    }


def _level(threshold: Threshold) -> Spec:
    return {
        "type": "line",
        "xref": "paper",
        "yref": "y",
        "x0": 0,
        "x1": 1,
        "y0": float(threshold.value),
        "y1": float(threshold.value),
        "line": {"color": f"@{threshold.tone.value}", "width": 1.2, "dash": "dash"},
    }


def _level_label(threshold: Threshold, logarithmic: bool) -> Spec:
    """Shapes take values on a logarithmic axis, annotations their logarithm."""
    height = Decimal(threshold.value)
    return {
        "xref": "paper",
        "yref": "y",
        "x": 1,
        "y": float(height.log10()) if logarithmic else float(height),
        "xanchor": "right",
        "yanchor": "bottom",
        "text": _plain(threshold.label),
        "showarrow": False,
        "font": {"size": 11, "color": f"@{threshold.tone.value}"},
    }


def _floor_shade(bottom: float, level: Number) -> Spec:
    """Everything from `bottom` to `level`, lightly coloured."""
    return {
        "type": "rect",
        "xref": "paper",
        "yref": "y",
        "x0": 0,
        "x1": 1,
        "y0": bottom,
        "y1": float(level),
        "fillcolor": "@bad-fill",
        "line": {"width": 0},
        "layer": "below",
    }


def _shown(value: Number, unit: str) -> str:
    digits = 2 if abs(Decimal(value)) < 1_000 else 0
    return _plain(f"{text.number(value, digits)} {unit}".strip())


def _plain(words: str) -> str:
    """Plotly reads a little HTML in its texts; ours mean what they say."""
    return html.escape(words, quote=False)
