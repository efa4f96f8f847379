"""What people see of a picked file: how it was chosen, what a second look at it says, what it stands against."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

from rich.table import Table

from autotune.deploy.caveats import drift
from autotune.deploy.pick import Picked
from autotune.deploy.recheck import Rechecked
from autotune.json_object import JsonObject
from autotune.results.decision import KNEE, ONE_SE, TRIAL, WEIGHTS, DecisionRule, Trade
from autotune.results.devices import DIFFERING, Together
from autotune.results.front import MeasuredPoint, ParetoFront
from autotune.targets.metric import LATENCY, Metric
from autotune.terminal.study import console, print_doubts, short
from autotune.terminal.table import TIED
from autotune.text.units import heading, milliseconds, number, quality_within, tested_within
from autotune.text.words import missed


def print_picked(picked: Picked) -> None:
    """The point in a few lines, and the runners-up as a table."""
    front, point = picked.front, picked.point
    summary = short(point, front.quality, front.objectives[1:])
    console.print(f"trial {point.trial}: {summary}", style="bold", soft_wrap=True)
    if line := _how(front, picked.rule):
        console.print(f"  {line}", soft_wrap=True)
    print_doubts(picked.record, point)
    for line in _second_look(front, point, picked.rechecked):
        console.print(f"  {line}", soft_wrap=True)
    for remark in picked.remarks:
        console.print(f"  {remark}", style="yellow", markup=False, soft_wrap=True)
    if trades := picked.runners_up:
        console.print("  in its place, and what that would change:")
        console.print(_table(picked, trades))
        if any(trade.tied for trade in trades):
            console.print(f"  {TIED} can't be told apart", style="dim")


def print_together(together: Together, rule: DecisionRule, picked: Mapping[str, Picked]) -> None:
    """A file for several devices: how it was chosen, and what it is on each.

    Args:
        together: what there was to choose from.
        rule: of the decision.
        picked: what was chosen, by device.
    """
    meet = sum(point.feasible for point in together.files.values())
    that = " that meet the targets on each" if together.front.targets else ""
    console.print(f"one file for {' and '.join(picked)}, of {meet}{that}", style="bold", soft_wrap=True)
    quality, *costs = together.front.objectives
    if line := _how(together.front, rule):
        mean = [metric.name for metric in costs if metric in DIFFERING]
        averaged = f", the geometric mean of {' and '.join(mean)}" if mean else ""
        console.print(f"  {line}; over all devices, which is the worst {quality.name}{averaged}", soft_wrap=True)
    for device, on_device in picked.items():
        console.rule(f"on {device}", align="left", style="dim")
        print_picked(replace(on_device, rule=DecisionRule(TRIAL)))


def print_nearest_together(together: Together) -> None:
    """What to say where no file meets the targets on every device."""
    console.print("no file meets the targets on every device; nearest is this one:", style="bold red")
    for device, point in together.on_each(together.nearest).items():
        front = together.fronts[device]
        summary = f"trial {point.trial}, {short(point, front.quality, front.objectives[1:])}"
        console.print(f"  on {device} {summary}: {missed(front, point) or 'meets them'}", soft_wrap=True)


def print_registered(registered: JsonObject) -> None:
    """The version in MLflow's registry, and how to load and to serve it.

    Args:
        registered: as a recipe has it.
    """
    store, uri = registered["tracking_uri"], registered["uri"]
    title = (
        f"registered as {registered['name']}, version {registered['version']}, alias {registered['alias']}, in {store}"
    )
    console.print(f"\n{title}", style="bold", markup=False, soft_wrap=True)
    load = (
        f"import mlflow\nmlflow.set_tracking_uri({store!r})\ny = mlflow.pyfunc.load_model({uri!r}).predict(x)\n\n"
        f"MLFLOW_TRACKING_URI={shlex.quote(store)} mlflow models serve -m {shlex.quote(uri)} --env-manager local"
    )
    console.print(f"\n{load}", markup=False, soft_wrap=True)


def _how(front: ParetoFront, rule: DecisionRule) -> str | None:
    quality, costs = front.quality.name, [cost.name for cost in front.objectives[1:]]
    weights = ", ".join(f"{name} {weight:g}" for name, weight in rule.weights.items())
    return {
        ONE_SE: f"within one standard error of the best {quality}, the least {' x '.join(costs)}",
        KNEE: f"the knee: nearest to the best {quality}, {' and '.join(costs)} at once",
        WEIGHTS: f"the least loss, weighted by {weights}",
    }.get(rule.name)


def _second_look(front: ParetoFront, point: MeasuredPoint, rechecked: Rechecked) -> list[str]:
    """The latency and the quality, then and now."""
    lines = []
    if rechecked.latency is not None:
        gap = drift(point, rechecked.latency)
        then, now = (milliseconds(value) for value in (point.outcome.metrics[LATENCY.key], rechecked.latency.p50_ms))
        meet = "meet" if gap.intervals_meet else "do not meet"
        lines.append(f"latency {then} in the search, {now} now: {abs(gap.change):.1%} off, the intervals {meet}")
    if same := point.outcome.evaluated_on:
        lines.append(f"its {front.quality.name} is that on {same.device}: {same.samples} samples score so here, too")
    if rechecked.test is not None:
        seen = quality_within(point.outcome, front.quality)
        tested = tested_within(rechecked.test, front.quality)
        samples = f"the {rechecked.test.certainty.samples} test samples that the search never saw"
        beside = ""
        if rechecked.baseline is not None:
            beside = f", where the baseline has {number(rechecked.baseline.scores[front.quality.key], front.quality)}"
        lines.append(f"{front.quality.name} {seen} on validation, {tested} on {samples}{beside}")
    return lines


def _table(picked: Picked, trades: Sequence[Trade]) -> Table:
    objectives = picked.front.objectives
    table = Table(box=None, pad_edge=False, padding=(0, 1), header_style="bold")
    table.add_column("  trial", justify="right", no_wrap=True)
    for metric in objectives:
        table.add_column(heading(metric, picked.record.codec), justify="right", no_wrap=True)
    table.add_column("")
    for trade in trades:
        cells = [_change(picked.point, trade, metric) for metric in objectives]
        table.add_row(str(trade.point.trial), *cells, str(trade.point.outcome.config))
    return table


def _change(point: MeasuredPoint, trade: Trade, metric: Metric) -> str:
    """An objective's change: a latency's as a factor, others' as a difference; "?" where it is not known."""
    change = trade.change[metric.key]
    if change is None:
        return "?"
    match metric.kind:
        case "share":
            text = f"{change * 100:+.1f} points"
        case "time":
            text = f"{1 + change / point.outcome.metrics[metric.key]:.2f}x"
        case "bytes":
            text = f"{change / 1e3:+.1f} kB"
        case _:
            text = f"{change:+.3g}"
    return f"{TIED} {text}" if metric.key in trade.tied else text
