"""A panel's axis of cost, with the study's targets."""

import math
from html import escape

import plotly.graph_objects as go

from autotune.report.panels import BOUND, beyond, caption, right_half, span, ticks, unit
from autotune.results.front import ParetoFront
from autotune.results.record import Record
from autotune.targets.metric import Metric

GRID = "#e6e8eb"
"""Colour of grids."""

_DASHED = {"color": BOUND, "dash": "dash", "width": 1.2}


def frame(figure: go.Figure, record: Record, front: ParetoFront, cost: Metric, column: int) -> None:
    """Gives a panel its axis of cost, logarithmic, and the targets on that and on the quality.

    Args:
        figure: whose panel.
        record: of the study.
        front: of it.
        cost: of the panel.
        column: of the panel, from 1.
    """
    low, high = span(record, front, cost)
    for target in front.targets:
        bound = target.bound(front.baseline.metrics)
        if target.metric == record.quality:
            figure.add_hline(bound, line=_DASHED, row=1, col=column)
            if column == 1:
                where = {"x": 0, "xref": "x domain", "xanchor": "left", "y": bound, "yanchor": "top"}
                figure.add_annotation(**where, **_label(target.text), row=1, col=1)
        elif target.metric == cost:
            at = bound / unit(cost)
            where, text = _side(column, right=at > high), beyond(target.text, at, (low, high))
            if text == target.text:
                figure.add_vline(at, line=_DASHED, row=1, col=column)
                where = {"x": math.log10(at), "xanchor": "right" if right_half(at, (low, high)) else "left"}
            where |= {"y": 0, "yref": f"{_axis('y', column)} domain", "yanchor": "bottom"}
            figure.add_annotation(**where, **_label(text), row=1, col=column)
    marks = ticks(low, high)
    figure.update_xaxes(
        type="log",
        title=caption(cost, record.codec),
        tickangle=0,
        range=[math.log10(low), math.log10(high)],
        tickvals=marks,
        ticktext=[f"{tick:g}" for tick in marks],
        gridcolor=GRID,
        zeroline=False,
        row=1,
        col=column,
    )


def _side(column: int, *, right: bool) -> dict[str, object]:
    """Where a target is named that is too far away for the axis."""
    return {"x": float(right), "xref": f"{_axis('x', column)} domain", "xanchor": "right" if right else "left"}


def _axis(letter: str, column: int) -> str:
    """An axis' name, as Plotly calls it."""
    return letter if column == 1 else f"{letter}{column}"


def _label(text: str) -> dict[str, object]:
    font = {"color": BOUND, "size": 11}
    return {"text": escape(text), "showarrow": False, "font": font, "bgcolor": "rgba(255, 255, 255, 0.75)"}
