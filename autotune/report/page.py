"""A study as one HTML page that needs nothing else, and pictures for papers beside it."""

import datetime
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from autotune.errors import UserError
from autotune.files import whole
from autotune.report.channels import dead_channels, never_cut, plan_rows
from autotune.report.downloads import downloads
from autotune.report.figures import CONFIG, front_figure
from autotune.report.figures import MOST as DRAWN
from autotune.report.operators import delegated, profiles
from autotune.report.panels import BOUND, COLOURS, scheme
from autotune.report.picture import draw, draw_importance
from autotune.report.reproduce import pick_command, point_command, point_space, study_command
from autotune.report.slices import MOST as SLICED
from autotune.report.slices import importance_figure, slice_figures
from autotune.report.techniques import delegation, techniques
from autotune.results.dimensions import Importance
from autotune.results.front import MeasuredPoint, ParetoFront, Point
from autotune.results.outcome import Measured
from autotune.results.record import Begun, Record
from autotune.targets.metric import CODECS, DOWNLOAD, LATENCY, METRICS, Metric
from autotune.text.units import UNSTABLE, amount_of, change, clock, heading, number, price, size, tested_within
from autotune.text.words import missed, missed_there, unmet

ROWS = 500
"""Trials off the front that the page lists; of more the first ones."""

DPI = 300
"""Of the pictures."""

WEIGHTS = (METRICS["size"], DOWNLOAD)


def write_report(record: Begun, importance: Importance, folder: Path) -> list[Path]:
    """Writes NAME.html, and NAME-front.png and NAME-importance.png for papers.

    Args:
        record: of the study.
        importance: what its dimensions do.
        folder: to put them into; made where it is not there.

    Returns:
        Their paths; without the last one where nothing is known of the dimensions.

    Raises:
        UserError: the study has no trials yet, or the folder can't be written to. A file is there whole, or as it
            was before.
    """
    page = report(record, importance)
    paths = [folder / f"{record.name}{end}" for end in (".html", "-front.png", "-importance.png")]
    try:
        with whole(paths[0]) as file:
            file.write_text(page, encoding="utf-8")
        with whole(paths[1]) as file:
            draw(record, file, DPI)
        if not importance.shares:
            return paths[:2]
        with whole(paths[2]) as file:
            draw_importance(importance, file, DPI)
    except OSError as error:
        raise UserError(f"--out {folder}: {error.strerror}; choose another folder") from error
    return paths


def report(record: Begun, importance: Importance) -> str:
    """The page (HTML).

    Args:
        record: of the study.
        importance: what its dimensions do.

    Raises:
        UserError: the study has no trials yet.
    """
    front = record.front()
    pick = front.pick()
    best = pick or front.nearest()
    measured = len(record.measured)
    plain = techniques(record.points, front.baseline.config.runtime)
    environment = Environment(
        loader=PackageLoader("autotune", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(
        record=record,
        front=front,
        pick=pick,
        best=best,
        today=datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        measured=measured,
        tested_within=tested_within,
        drawn=min(measured - len(front.points), DRAWN),
        sliced=min(measured, SLICED),
        best_figures=_key_figures(record, front, best.outcome) if best else [],
        doubts=list(_doubts(record, front, pick)),
        findings=record.findings(),
        fronts=[_json(front_figure(record, [cost], legend=False)) for cost in record.objectives[1:]],
        legend=_legend(record),
        bound=BOUND,
        misses=not all(point.feasible for point in record.measured),
        weights=[heading(cost, record.codec) for cost in WEIGHTS],
        downloads=downloads(front),
        codecs=CODECS,
        unstable=UNSTABLE,
        techniques=[_technique(front, name, point) for name, point in plain],
        best_row=_technique(front, "recommended" if pick else "nearest to the targets", best) if best else None,
        dead=dead_channels(record),
        never_cut=never_cut(record),
        plans=plan_rows(record),
        importance=importance,
        importance_figure=_json(importance_figure(importance)) if importance.shares else None,
        slices={name: _json(figure) for name, figure in slice_figures(record, importance.order).items()},
        profiles=list(profiles(record, front, best)),
        delegation=delegation(point.outcome for point in record.measured),
        trials=_trials(record, front, pick),
        listed_of=len(record.points),
        device=_device(record),
        versions=record.meta.versions,
        runs=[_run(run) for run in record.runs],
        study_command=study_command(record),
        point_command=point_command(record),
        plotly=Markup(get_plotlyjs()),  # noqa: S704  # Plotly's own
        config=_safe(json.dumps(CONFIG)),
    )


def _json(figure: go.Figure) -> Markup:
    return _safe(str(figure.to_json()))


def _safe(text: str) -> Markup:
    """JSON that can stand in a script: nothing in it ends one."""
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704  # escaped


def _key_figures(record: Record, front: ParetoFront, outcome: Measured) -> list[dict[str, str]]:
    """What a reader looks for first: each with its name, the value, and what it is beside the baseline's."""
    metrics, base = outcome.metrics, front.baseline.metrics
    shown = [record.quality, LATENCY, *WEIGHTS]
    shown += [cost for cost in record.objectives[1:] if cost not in shown]
    return [
        {
            "name": "latency, median" if metric == LATENCY else heading(metric, record.codec),
            "value": amount_of(outcome, metric, record.quality),
            "change": change(metrics[metric.key], base[metric.key], metric),
            "base": amount_of(front.baseline, metric, record.quality),
        }
        for metric in shown
        if metric.key in metrics and metric.key in base
    ]


def _doubts(record: Record, front: ParetoFront, pick: MeasuredPoint | None) -> Iterator[str]:
    """What a reader should know before the numbers are trusted; a line each."""
    if pick is None:
        nearest = front.nearest()
        what = f"; nearest is trial {nearest.trial}: {missed(front, nearest)}" if nearest else ""
        yield f"{unmet(front)}{what}"
    else:
        latency = pick.outcome.latency
        if latency is not None and not latency.stable:
            yield f"the latency of the recommended file is not stable: {latency.verdict}"
        if rivals := front.rivals(pick):
            names = ", ".join(str(rival.trial) for rival in rivals)
            yield f"in {front.quality.name} the recommendation can't be told apart from trial {names}"
        tested = record.tests.get(str(pick.trial))
        if tested is not None and (missing := missed_there(front, tested, record.baseline_test)):
            yield f"on the test split the recommendation misses {missing}: the search's best is partly luck"
    base = front.baseline.latency
    if base is not None and not base.stable:
        yield f"the baseline's latency is not stable: {base.verdict}"
    if record.meta.device.emulated:
        yield "latencies are an emulator's"
    shaky = [str(p.trial) for p in front.points if p.outcome.latency is not None and not p.outcome.latency.stable]
    if shaky:
        yield f"latencies on the front that are not stable: trial {', '.join(shaky)}"
    refused = Counter(point.reason for point in record.points if point.reason is not None)
    for reason, count in refused.most_common(5):
        yield f"refused, {count} of {len(record.points)}: {reason}"
    for reason, count in record.failed.items():
        yield f"failed, {count}: {reason}"


def _legend(record: Record) -> list[tuple[str, str]]:
    """Names and colours of the schemes that were measured."""
    used = {point.outcome.config.recipe.quantize for point in record.measured}
    return [(scheme(name), colour) for name, colour in COLOURS.items() if name in used]


def _technique(front: ParetoFront, name: str, point: Point) -> dict[str, object]:
    """A row of the table of techniques: each number with its change against the baseline's."""
    config, base = point.outcome.config, front.baseline.metrics
    metrics = point.outcome.metrics if isinstance(point, MeasuredPoint) else {}
    itself = config == front.baseline.config
    cells = [
        (
            amount_of(point.outcome, metric, front.quality),
            "" if itself else change(metrics[metric.key], base[metric.key], metric),
        )
        for metric in (front.quality, LATENCY, *WEIGHTS)
        if isinstance(point, MeasuredPoint) and metric.key in metrics and metric.key in base
    ]
    return {
        "name": name,
        "trial": point.trial,
        "runtime": config.runtime.short,
        "cells": cells,
        "reason": point.reason,
        "misses": isinstance(point, MeasuredPoint) and not point.feasible,
    }


def _trials(record: Record, front: ParetoFront, pick: MeasuredPoint | None) -> list[dict[str, object]]:
    """The front, then the others, ROWS of them at most."""
    on_front = {point.trial for point in front.points}
    others = [point for point in record.points if point.trial not in on_front][:ROWS]
    return [
        _trial(record, front, point, on_front=point.trial in on_front, best=point is pick)
        for point in [*front.points, *others]
    ]


def _trial(record: Record, front: ParetoFront, point: Point, *, on_front: bool, best: bool) -> dict[str, object]:
    config = point.outcome.config
    if isinstance(point, MeasuredPoint):
        place = "recommended" if best else "on the front" if on_front else ""
        state = ", ".join(filter(None, (place, missed(front, point))))
        cells = _cells(point.outcome, record.quality)
        took = delegated(point.outcome)
    else:
        state = f"refused: {point.reason}"
        cells = [("", "", "")] * (2 + len(WEIGHTS))
        took = ""
    return {
        "trial": point.trial,
        "on_front": on_front,
        "best": best,
        "feasible": point.feasible,
        "config": str(config.recipe),
        "runtime": config.runtime.short,
        "cells": cells,
        "delegated": took,
        "state": state,
        "recipe": point_space(point),
        "pick": pick_command(record, point.trial) if isinstance(point, MeasuredPoint) else "",
    }


def _cells(outcome: Measured, quality: Metric) -> list[tuple[float | str, str, str]]:
    """A trial's numbers: each to sort by, to read, and how sure it is."""
    metrics, latency = outcome.metrics, outcome.latency
    low, high = (number(end, quality) for end in outcome.interval(quality))
    sure = "" if latency is None else f"±{latency.reach:.1%}{'' if latency.stable else ', not stable'}"
    return [
        (metrics[quality.key], number(metrics[quality.key], quality), f"{low} to {high}"),
        (metrics.get(LATENCY.key, ""), price(metrics, LATENCY), sure),
        *((metrics.get(cost.key, ""), price(metrics, cost), "") for cost in WEIGHTS),
    ]


def _device(record: Record) -> dict[str, str]:
    """Its facts as people read them."""
    return {
        name.removesuffix("_bytes").replace("_", " "): _fact(name, fact)
        for name, fact in record.meta.device.to_json().items()
        if fact not in (None, "", [], {})
    }


def _fact(name: str, fact: object) -> str:
    if name.endswith("_bytes") and isinstance(fact, int | float):
        return size(fact)
    if isinstance(fact, float):
        return f"{fact:.3g}"
    return ", ".join(map(str, fact)) if isinstance(fact, Sequence) and not isinstance(fact, str) else str(fact)


def _run(run: dict[str, float]) -> dict[str, str]:
    """What a run did, in words and times."""
    times = {name.removesuffix("_s"): clock(value) for name, value in run.items() if name.endswith("_s")}
    return {name: str(value) for name, value in run.items() if not name.endswith("_s")} | times
