"""The front, and what each dimension does, as pictures."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from autotune.report.panels import (
    BOUND,
    COLOURS,
    PANELS,
    TONES,
    beyond,
    caption,
    right_half,
    scheme,
    span,
    stairs,
    ticks,
    unit,
    value,
)
from autotune.results.dimensions import Importance
from autotune.results.front import MeasuredPoint, ParetoFront
from autotune.results.record import Begun
from autotune.targets.metric import LATENCY, Metric
from autotune.targets.target import Target

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 8
"""Of the legend: more do not fit into the picture's width."""


def draw(record: Begun, path: Path, dpi: int = 130) -> None:
    """Writes a PNG: quality against the first costs of the objectives, latency and download as a rule, the
    front joined up.

    Faint points are off the front, hollow ones miss a target; the ring is the recommendation,
    the dashed lines are the targets, the diamond is the baseline.

    Args:
        record: of the study.
        path: of the file.
        dpi: dots per inch; the picture is 11 inches wide.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, NullFormatter

    front = record.front()
    figure = Figure(figsize=(11, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    on_front = {point.trial for point in front.points}
    pick = front.pick()
    measured = record.measured
    kinds = defaultdict(list)  # to mark each point by itself would take minutes where they are thousands
    for point in measured:
        kinds[point.outcome.config.recipe.quantize, point.trial in on_front, point.feasible].append(point)
    costs = record.objectives[1 : 1 + PANELS]
    axes = figure.subplots(1, len(costs), sharey=True, squeeze=False)[0]
    for axis, cost in zip(axes, costs, strict=True):
        for point in front.points:
            _interval(axis, point, cost, record.quality)
        for (name, leads, feasible), alike in kinds.items():
            _marks(axis, alike, cost, record.quality, COLOURS[name], leads=leads, feasible=feasible)
        _stairs(axis, front.points, cost, record.quality)
        axis.scatter(
            value(front.baseline.metrics, cost),
            front.baseline.metrics[record.quality.key],
            marker="D",
            s=46,
            facecolors="none",
            edgecolors="black",
            linewidths=1.2,
            zorder=4,
        )
        if pick is not None:
            metrics = pick.outcome.metrics
            axis.scatter(
                value(metrics, cost),
                metrics[record.quality.key],
                s=190,
                facecolors="none",
                edgecolors="black",
                linewidths=1.4,
                zorder=5,
            )
        ends = span(record, front, cost)
        axis.set_xscale("log")
        axis.set_xlim(*ends)
        for target in front.targets:
            _bound(axis, target, cost, front, ends, named=target.metric == cost or axis is axes[0])
        axis.set_xlabel(caption(cost, record.codec))
        axis.grid(alpha=0.25, which="both")
        axis.xaxis.set_major_locator(FixedLocator(ticks(*ends)))
        axis.xaxis.set_major_formatter(lambda at, _: f"{at:g}")
        axis.xaxis.set_minor_formatter(NullFormatter())
    axes[0].set_ylabel(f"{record.quality.name} on validation, 95 % interval")
    figure.suptitle(f"{record.name}: {len(front.points)} of {len(measured)} measured configurations are on the front")
    _legend(figure, measured, recommends=pick is not None)
    figure.savefig(path, dpi=dpi)


def draw_importance(importance: Importance, path: Path, dpi: int) -> None:
    """Writes a PNG: for each objective what share of its variance is due to each dimension.

    Args:
        importance: of at least one objective.
        path: of the file.
        dpi: dots per inch.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    order = importance.order[::-1]
    figure = Figure(figsize=(3.7 * len(importance.shares), 0.9 + 0.3 * len(order)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(importance.shares), sharey=True, squeeze=False)[0]
    for axis, (objective, shares), tone in zip(axes, importance.shares.items(), TONES, strict=False):
        axis.barh(order, [shares.get(name, 0.0) for name in order], color=tone)
        axis.set_title(objective)
        axis.set_xlim(0, 1)
        axis.set_xticks([0, 0.25, 0.5, 0.75], ["0", "25%", "50%", "75%"])
        axis.grid(alpha=0.25, axis="x")
        axis.set_axisbelow(True)
    figure.supxlabel("share of the variance", fontsize="medium")
    figure.savefig(path, dpi=dpi)


def _marks(
    axis: "Axes",
    points: Sequence[MeasuredPoint],
    cost: Metric,
    quality: Metric,
    colour: str,
    *,
    leads: bool,
    feasible: bool,
) -> None:
    """Points that look alike.

    Args:
        axis: to draw on.
        points: measured.
        cost: of the axis.
        quality: of the other axis.
        colour: of all.
        leads: whether they are on the front.
        feasible: whether they meet the targets.
    """
    axis.scatter(
        [value(point.outcome.metrics, cost) for point in points],
        [point.outcome.metrics[quality.key] for point in points],
        s=42 if leads else 22,
        facecolors=colour if feasible else "none",
        edgecolors=colour,
        alpha=1.0 if leads else 0.4,
        zorder=3 if leads else 2,
    )


def _interval(axis: "Axes", point: MeasuredPoint, cost: Metric, quality: Metric) -> None:
    """The 95 % intervals of the quality and, where it is the cost, of the latency."""
    colour = COLOURS[point.outcome.config.recipe.quantize]
    metrics, latency = point.outcome.metrics, point.outcome.latency
    low, high = point.outcome.interval(quality)
    axis.vlines(value(metrics, cost), low, high, color=colour, linewidth=0.8, alpha=0.4, zorder=2)
    if cost == LATENCY and latency is not None:
        axis.hlines(
            metrics[quality.key], latency.low_ms, latency.high_ms, color=colour, linewidth=0.8, alpha=0.6, zorder=2
        )


def _stairs(axis: "Axes", points: list[MeasuredPoint], cost: Metric, quality: Metric) -> None:
    steps = stairs(points, cost, quality)
    prices, values = [price for price, _ in steps], [reached for _, reached in steps]
    axis.step(prices, values, where="post", color="black", linewidth=0.9, alpha=0.7, zorder=1)


def _bound(
    axis: "Axes", target: Target, cost: Metric, front: ParetoFront, ends: tuple[float, float], *, named: bool
) -> None:
    """A target's dashed line, and its text beside it; of one that is too far away for the axis the text alone."""
    bound = target.bound(front.baseline.metrics)
    if target.metric == front.quality:
        line = axis.axhline(bound)
        text = axis.text(0.01, bound, target.text, transform=axis.get_yaxis_transform(), ha="left", va="top")
    elif target.metric == cost:
        at = bound / unit(cost)
        inside = min(max(at, ends[0]), ends[1])
        line = axis.axvline(inside, visible=inside == at)
        side: Literal["right", "left"] = "right" if right_half(inside, ends) else "left"
        name = beyond(target.text, at, ends)
        text = axis.text(inside, 0.01, f" {name} ", transform=axis.get_xaxis_transform(), ha=side, va="bottom")
    else:
        return
    line.set(color=BOUND, linestyle="--", linewidth=0.9, zorder=1)
    text.set(color=BOUND, fontsize=8, zorder=6, visible=named)


def _legend(figure: "Figure", points: Sequence[MeasuredPoint], *, recommends: bool) -> None:
    """Of what is there alone."""
    from matplotlib.lines import Line2D

    def dot(label: str, colour: str, marker: str = "o", size: float | None = None, filled: bool = False) -> Line2D:
        face = colour if filled else "none"
        return Line2D(
            [], [], linestyle="none", marker=marker, markersize=size, markerfacecolor=face, color=colour, label=label
        )

    used = {point.outcome.config.recipe.quantize for point in points}
    handles = [dot(scheme(name), colour, filled=True) for name, colour in COLOURS.items() if name in used]
    if not all(point.feasible for point in points):
        handles.append(dot("misses a target", "grey"))
    handles.append(dot("baseline", "black", "D"))
    if recommends:
        handles.append(dot("recommended", "black", size=12))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=min(len(handles), COLUMNS), frameon=False, fontsize=9
    )
