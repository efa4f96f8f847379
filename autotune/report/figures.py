"""The front as an interactive figure: as picture.draw() has it, and what each point is under the pointer."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from autotune.config import SCHEMES
from autotune.files import whole
from autotune.report.axes import GRID, frame
from autotune.report.panels import COLOURS, PANELS, scheme, stairs, value
from autotune.results.dimensions import spread
from autotune.results.front import MeasuredPoint, ParetoFront
from autotune.results.outcome import Measured
from autotune.results.record import Begun, Record
from autotune.targets.metric import DOWNLOAD, LATENCY, METRICS, Metric
from autotune.text.units import heading, median, price, quality_within
from autotune.text.words import missed

MOST = 2000
"""Points off the front that are drawn; of more so many, see spread(). So the figure can be panned without WebGL,
which not every browser has.
"""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
INK = "#24292f"

LAYOUT = {
    "template": "none",
    "font": {"family": FONT, "size": 13, "color": INK},
    "dragmode": "pan",
    "hoverlabel": {"align": "left", "bgcolor": "white", "font": {"family": FONT, "size": 12, "color": INK}},
}
"""Of all figures."""

CONFIG = {
    "displaylogo": False,
    "responsive": True,
    "plotlyServerURL": "",
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "sendChartToCloud"],  # the last one would need a network
}
"""Of Plotly, for figures of this kind."""


def write_front(record: Begun, path: Path) -> None:
    """Writes front_figure() as an HTML file that needs no network.

    Args:
        record: of the study.
        path: of the file.

    Raises:
        OSError: it can't be written; what was there before stays.
    """
    with whole(path) as file:
        file.write_text(front_figure(record).to_html(include_plotlyjs=True, config=CONFIG), encoding="utf-8")


def front_figure(record: Begun, costs: Sequence[Metric] | None = None, *, legend: bool = True) -> go.Figure:
    """Quality against costs, a panel each: points off the front faint, those that miss a target hollow, with
    95 % intervals on the front; a ring around the recommendation, a diamond for the baseline, dashed targets.

    Args:
        record: of the study.
        costs: to draw; the first of the objectives by default.
        legend: whether it has one, and a title.
    """
    costs = record.objectives[1 : 1 + PANELS] if costs is None else costs
    figure = make_subplots(1, len(costs), shared_yaxes=True, horizontal_spacing=0.03)
    front = record.front()
    for column, cost in enumerate(costs, 1):
        figure.add_traces(_traces(record, front, cost, legend=legend and column == 1), rows=1, cols=column)
        frame(figure, record, front, cost, column)
    quality = record.quality
    figure.update_yaxes(gridcolor=GRID, zeroline=False, tickformat=".1~%" if quality.kind == "share" else "")
    figure.update_yaxes(title=f"{quality.name} on validation, 95 % interval", automargin=True, title_standoff=10, col=1)
    measured = len(record.measured)
    title = f"{escape(record.name)}: {len(front.points)} of {measured} measured configurations are on the front"
    figure.update_layout(
        **LAYOUT,
        title=title if legend else None,
        showlegend=legend,
        legend={"orientation": "h", "yref": "container", "yanchor": "bottom", "y": 0, "x": 0},
        margin={"l": 60, "r": 12, "t": 60 if legend else 32, "b": 150 if legend else 56},  # room for four rows of it
        height=600 if legend else 440,
        hovermode="closest",
    )
    return figure


def _lines(record: Record, front: ParetoFront, point: MeasuredPoint, pick: MeasuredPoint | None) -> list[str]:
    """A measured point in lines of text: what it is, its numbers, which targets it misses."""
    best = " · recommended" if pick is not None and point.trial == pick.trial else ""
    misses = missed(front, point)
    return [f"trial {point.trial}{best}", *_numbers(record, point.outcome), *([misses] if misses else [])]


def _numbers(record: Record, outcome: Measured) -> list[str]:
    """A measured outcome in lines of text: how it was made, how it is run, and its numbers."""
    metrics = outcome.metrics
    weights = [f"{heading(cost, record.codec)} {price(metrics, cost)}" for cost in (METRICS["size"], DOWNLOAD)]
    others = [f"{cost.name} {price(metrics, cost)}" for cost in record.objectives[1:] if cost.name == "memory"]
    return [
        str(outcome.config),
        f"{record.quality.name} {quality_within(outcome, record.quality)}",
        f"latency {median(outcome)}" if LATENCY.key in metrics else "latency ?",
        ", ".join([*weights, *others]),
    ]


def _traces(record: Record, front: ParetoFront, cost: Metric, *, legend: bool) -> list[go.Scatter]:
    """A panel's traces, those below first."""
    on_front = {point.trial for point in front.points}
    measured = record.measured
    off = spread([point for point in measured if point.trial not in on_front], MOST)
    traces = [
        go.Scatter(
            **_dots(points, cost, record.quality),
            **_texts(record, front, points),
            opacity=0.4,
            marker=_marker(name, points, 7),
            showlegend=False,
        )
        for name, points in _by_scheme(off)
    ]
    traces.append(_line(front, cost))
    for name, points in _by_scheme(front.points):
        errors = _errors(points, cost, record.quality, COLOURS[name])
        marker = _marker(name, points, 11)
        dots = _dots(points, cost, record.quality)
        traces.append(go.Scatter(**dots, **errors, marker=marker, showlegend=False, opacity=0.95, hoverinfo="skip"))
    traces += [_baseline(record, front, cost, legend=legend), *_ring(front, cost, legend=legend)]
    traces.append(_front_texts(record, front, cost))
    if legend:
        traces += [_key(name) for name, _ in _by_scheme(measured)]
    if legend and not all(point.feasible for point in measured):
        traces.append(_hollow())
    return traces


def _by_scheme(points: Iterable[MeasuredPoint]) -> list[tuple[str, list[MeasuredPoint]]]:
    """Points by their quantization scheme, in the order of SCHEMES."""
    groups = defaultdict(list)
    for point in points:
        groups[point.outcome.config.recipe.quantize].append(point)
    return [(name, groups[name]) for name in SCHEMES if name in groups]


def _dots(points: Sequence[MeasuredPoint], cost: Metric, quality: Metric) -> dict[str, object]:
    return {
        "x": [value(point.outcome.metrics, cost) for point in points],
        "y": [point.outcome.metrics[quality.key] for point in points],
        "mode": "markers",
    }


def _texts(record: Record, front: ParetoFront, points: Sequence[MeasuredPoint]) -> dict[str, object]:
    """What is shown under the pointer."""
    pick = front.pick()
    return {
        "text": [_written(_lines(record, front, point, pick)) for point in points],
        "hovertemplate": "%{text}<extra></extra>",
    }


def _front_texts(record: Record, front: ParetoFront, cost: Metric) -> go.Scatter:
    """The front's texts, as dots of no size: of several under the pointer Plotly takes the smallest."""
    dots, texts = _dots(front.points, cost, record.quality), _texts(record, front, front.points)
    return go.Scatter(**dots, **texts, marker={"size": 1, "opacity": 0}, showlegend=False)


def _written(lines: Sequence[str]) -> str:
    """Lines as Plotly takes them, which has tags of its own."""
    first, *others = map(escape, lines)
    return "<br>".join([f"<b>{first}</b>", *others])


def _marker(name: str, points: Sequence[MeasuredPoint], size: int) -> dict[str, object]:
    symbols = ["circle" if point.feasible else "circle-open" for point in points]
    return {"color": COLOURS[name], "size": size, "symbol": symbols, "line": {"width": 1.5, "color": COLOURS[name]}}


def _errors(points: Sequence[MeasuredPoint], cost: Metric, quality: Metric, colour: str) -> dict[str, object]:
    """The 95 % intervals of the quality and, where it is the cost, of the latency."""
    values = [point.outcome.metrics[quality.key] for point in points]
    bars: dict[str, object] = {"error_y": _bars(values, [point.outcome.interval(quality) for point in points], colour)}
    if cost == LATENCY:
        times = [point.outcome.latency for point in points]
        medians = [point.outcome.metrics[cost.key] for point in points]
        ends = [
            (at, at) if time is None else (time.low_ms, time.high_ms) for at, time in zip(medians, times, strict=True)
        ]
        bars["error_x"] = _bars(medians, ends, colour)
    return bars


def _bars(values: Sequence[float], ends: Sequence[tuple[float, float]], colour: str) -> dict[str, object]:
    pairs = list(zip(values, ends, strict=True))
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - at for at, (_, high) in pairs],
        "arrayminus": [at - low for at, (low, _) in pairs],
        "color": colour,
        "thickness": 1,
        "width": 3,
    }


def _line(front: ParetoFront, cost: Metric) -> go.Scatter:
    steps = stairs(front.points, cost, front.quality)
    return go.Scatter(
        x=[at for at, _ in steps],
        y=[reached for _, reached in steps],
        mode="lines",
        line={"shape": "hv", "color": "black", "width": 1},
        opacity=0.6,
        hoverinfo="skip",
        showlegend=False,
    )


def _baseline(record: Record, front: ParetoFront, cost: Metric, *, legend: bool) -> go.Scatter:
    metrics = front.baseline.metrics
    return go.Scatter(
        x=[value(metrics, cost)],
        y=[metrics[front.quality.key]],
        text=[_written(["baseline: the model as it is", *_numbers(record, front.baseline)])],
        hovertemplate="%{text}<extra></extra>",
        mode="markers",
        marker={"symbol": "diamond-open", "size": 12, "color": "black", "line": {"width": 1.8}},
        name="baseline",
        showlegend=legend,
    )


def _ring(front: ParetoFront, cost: Metric, *, legend: bool) -> list[go.Scatter]:
    pick = front.pick()
    if pick is None:
        return []
    metrics = pick.outcome.metrics
    ring = go.Scatter(
        x=[value(metrics, cost)],
        y=[metrics[front.quality.key]],
        mode="markers",
        marker={"symbol": "circle-open", "size": 22, "color": "black", "line": {"width": 2}},
        hoverinfo="skip",
        name="recommended",
        showlegend=legend,
    )
    return [ring]


def _key(name: str) -> go.Scatter:
    """An entry of the legend."""
    return go.Scatter(
        x=[None], y=[None], mode="markers", marker={"color": COLOURS[name], "size": 10}, name=scheme(name)
    )


def _hollow() -> go.Scatter:
    marker = {"symbol": "circle-open", "color": "grey", "size": 10, "line": {"width": 1.5}}
    return go.Scatter(x=[None], y=[None], mode="markers", marker=marker, name="misses a target")
