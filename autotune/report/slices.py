"""What each dimension of a study does, as figures: its importance, and its slices of what was measured."""

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from autotune.config import SCHEMES, Value
from autotune.report.axes import GRID
from autotune.report.figures import LAYOUT
from autotune.report.panels import TONES, scheme, ticks, value
from autotune.results.dimensions import Importance, spread, varied
from autotune.results.record import Record
from autotune.targets.metric import Metric
from autotune.text.units import heading

MOST = 1000
"""Trials that a slice shows; of more so many, see spread()."""

NAMES = 12
"""Values that are a box each; of more, numbers are drawn as dots."""

DOTS = 200
"""Trials of which each is a dot beside its box; of more, those far out alone."""

ROOM = 30
"""Characters that there is room for below a slice."""

BLUE = TONES[0]


def importance_figure(importance: Importance) -> go.Figure:
    """A bar for each dimension and objective: its share of the variance."""
    order = importance.order
    figure = go.Figure()
    for (objective, shares), tone in zip(importance.shares.items(), TONES, strict=False):
        figure.add_bar(
            y=order,
            x=[shares.get(name, 0.0) for name in order],
            name=objective,
            orientation="h",
            marker={"color": tone},
            hovertemplate=f"%{{y}}: %{{x:.1%}} of what differs in {objective}<extra></extra>",
        )
    figure.update_xaxes(tickformat=".0%", gridcolor=GRID, range=[0, 1], title="share of the variance", fixedrange=True)
    figure.update_yaxes(automargin=True, fixedrange=True, autorange="reversed", ticklabelstandoff=6)
    figure.update_layout(
        **LAYOUT,
        barmode="group",
        bargap=0.25,
        height=110 + len(order) * (14 * len(importance.shares) + 12),
        margin={"l": 20, "r": 20, "t": 40, "b": 50},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0, "traceorder": "normal"},
    )
    return figure


def slice_figures(record: Record, order: Sequence[str] = ()) -> dict[str, go.Figure]:
    """A figure for each dimension: how every objective is spread at each of its values.

    Args:
        record: of the study.
        order: of the dimensions; others come behind.
    """
    points = spread(record.measured, MOST)
    columns = varied(points)
    numbers = {metric: [_number(point.outcome.metrics, metric) for point in points] for metric in record.objectives}
    names = [*(name for name in order if name in columns), *(name for name in columns if name not in order)]
    return {name: _slices(name, columns[name], numbers, record.codec) for name in names}


def _number(metrics: dict[str, float], metric: Metric) -> float:
    return value(metrics, metric) if _is_cost(metric) else metrics[metric.key]


def _is_cost(metric: Metric) -> bool:
    return metric.kind in ("time", "bytes")


def _slices(name: str, column: Sequence[Value | None], numbers: dict[Metric, list[float]], codec: str) -> go.Figure:
    """The figure of one dimension: a row for each objective."""
    used = {at: setting for at, setting in enumerate(column) if setting is not None}
    values = sorted(set(used.values()), key=_place)
    boxes = len(values) <= NAMES or any(isinstance(setting, str) for setting in values)
    at_x = [_named(name, setting) if boxes else setting for setting in used.values()]
    figure = make_subplots(len(numbers), 1, shared_xaxes=True, vertical_spacing=0.05)
    for row, (metric, measured) in enumerate(numbers.items(), 1):
        y = [measured[at] for at in used]
        figure.add_trace(_box(at_x, y) if boxes else _dots(at_x, y), row=row, col=1)
        unit = f" ({'ms' if metric.kind == 'time' else 'kB'})" if _is_cost(metric) else ""
        figure.update_yaxes(title=heading(metric, codec) + unit, row=row, col=1)
        if _is_cost(metric) and (positive := [price for price in y if price > 0]):
            marks = ticks(min(positive), max(positive), 2)
            figure.update_yaxes(type="log", tickvals=marks, ticktext=[f"{tick:g}" for tick in marks], row=row, col=1)
        elif metric.kind == "share":
            figure.update_yaxes(tickformat=".1~%", row=row, col=1)
    figure.update_yaxes(gridcolor=GRID, zeroline=False, automargin=True, title_font_size=11, title_standoff=6)
    if boxes:
        order = [_named(name, setting) for setting in values]
        figure.update_xaxes(tickangle=-45 if len("".join(order)) > ROOM else 0)
        figure.update_xaxes(type="category", categoryorder="array", categoryarray=order)
    figure.update_xaxes(gridcolor=GRID, zeroline=False, automargin=True)
    figure.update_layout(
        **LAYOUT,
        showlegend=False,
        height=150 * len(numbers) + 60,
        margin={"l": 60, "r": 12, "t": 10, "b": 40},
        boxgap=0.35,
    )
    return figure


def _place(setting: Value) -> tuple[bool, int, Value]:
    """A value's place on an axis: numbers, then quantization schemes as they are listed, then other names."""
    scheme_at = SCHEMES.index(setting) if isinstance(setting, str) and setting in SCHEMES else 0
    return isinstance(setting, str), scheme_at, setting


def _named(dimension: str, setting: Value) -> str:
    if dimension == "quantize":
        return scheme(str(setting))
    return f"{setting:g}" if isinstance(setting, float) else str(setting)


def _box(x: Sequence[Value], y: Sequence[float]) -> go.Box:
    return go.Box(
        x=x,
        y=y,
        boxpoints="all" if len(y) <= DOTS else "outliers",
        jitter=0.5,
        pointpos=0,
        marker={"size": 4, "opacity": 0.5, "color": BLUE},
        line={"width": 1, "color": BLUE},
        fillcolor="rgba(31, 119, 180, 0.15)",
    )


def _dots(x: Sequence[Value], y: Sequence[float]) -> go.Scatter:
    return go.Scatter(x=x, y=y, mode="markers", marker={"size": 5, "opacity": 0.5, "color": BLUE})
