"""What people see in the terminal of a study: the front, the recommendation, what a run ends with."""

import os
import shlex
import sys
from collections.abc import Sequence

from rich.console import Console

from autotune.report.reproduce import command, pick_command
from autotune.results.front import MeasuredPoint, ParetoFront
from autotune.results.quality import Scored
from autotune.results.record import Record
from autotune.study.reporting import Summary
from autotune.targets.metric import DOWNLOAD, LATENCY, Metric
from autotune.terminal.table import TIED, front_table, short_table, width_of
from autotune.text.units import UNSTABLE, clock, downloads, median, number, price
from autotune.text.words import doubt, listed, missed, missed_there, unmet
from autotune.track.store import is_mlflow


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Nobody reads any more: what runs goes on, without a word."""
        self.quiet = True


def _width() -> int | None:
    """Columns where there is no terminal, nor a variable that says so; None leaves it to these."""
    terminal = sys.stdout is not None and sys.stdout.isatty()
    return None if terminal or os.environ.get("COLUMNS", "").lstrip("0").isdigit() else 120


console = _Console(
    highlight=False,
    markup=False,  # a path may have [brackets]
    width=_width(),
)

RIVALS = 5
"""Trials that the recommendation names as no worse or better."""


def print_front(record: Record, front: ParetoFront, *, everything: bool = False) -> None:
    """The front as a table, and the recommendation."""
    shown = listed(front, everything=everything)
    table = front_table(front, record.codec, everything=everything)
    if width_of(table) > console.width:
        console.print(short_table(front, shown, console.width, record.codec))
        wider = f"a wider terminal (or COLUMNS={width_of(table)}) has intervals, too"
        console.print(f"{UNSTABLE} not stable; {wider}", style="dim")
    else:
        console.print(table)
        console.print(_legend(record, front, shown), style="dim")
    left = len(front.points) - len(shown)
    if left:
        console.print(f"{left} more on the front: {command(record, 'front', '--all')}", style="dim", soft_wrap=True)
    console.print()
    print_pick(record, front)
    for finding in record.findings():
        console.print(f"  {finding}", style="dim", soft_wrap=True)


def _legend(record: Record, front: ParetoFront, shown: Sequence[MeasuredPoint]) -> str:
    """What the marks of a table mean."""
    legend = "± is the 95 % interval"
    unstable = {point.trial: latency for point in shown if (latency := point.outcome.latency) and not latency.stable}
    for trial, latency in list(unstable.items())[:1]:
        legend += f"; {UNSTABLE} not stable (trial {trial}: {latency.verdict})"
    if any(front.ties(shown)) or any(front.latency_ties(shown)):
        legend += f"; {TIED} can't be told apart from the trial above (on the same samples, or by latency's interval)"
    if _emulated(record):
        legend += "; latencies are an emulator's"
    return legend


def short(point: MeasuredPoint, quality: Metric, costs: Sequence[Metric]) -> str:
    """A point in one line.

    Args:
        point: measured.
        quality: the metric of quality.
        costs: the other objectives; the latency is told in any case.
    """
    metrics = point.outcome.metrics
    prices = [
        price(metrics, cost) if cost == DOWNLOAD else f"{cost.name} {price(metrics, cost)}"
        for cost in costs
        if cost != LATENCY
    ]
    numbers = [f"{quality.name} {number(metrics[quality.key], quality)}", median(point.outcome), *prices]
    return f"{', '.join(numbers)} ({point.outcome.config})"


def print_summaries(summaries: Sequence[Summary], tracking_uri: str | None) -> None:
    """What runs on one or more devices end with."""
    for summary in summaries:
        if len(summaries) > 1:
            console.rule(f"{summary.record.name} on {summary.record.device}", align="left", style="dim")
        print_summary(summary, tracking_uri)
    if len(summaries) > 1 and all(summary.record.front().pick() for summary in summaries):
        record = summaries[0].record
        console.print(f"one file for all:   {command(record, 'pick', '--all-devices')}", soft_wrap=True)


def print_summary(summary: Summary, tracking_uri: str | None) -> None:
    """What a run ends with."""
    record = summary.record
    for note in summary.notes:
        console.print(note, style="yellow")
    front = record.front()
    print_front(record, front)
    console.print(f"\n{_usage(summary)}", style="dim", soft_wrap=True)
    console.print(f"front as a picture: {record.folder / 'front.png'}", soft_wrap=True)
    console.print(f"a page to send:     {command(record, 'report')}", soft_wrap=True)
    if front.pick() is not None:
        console.print(f"take a file home:   {command(record, 'pick')}", soft_wrap=True)
    elif (nearest := front.nearest()) is not None:
        console.print(f"take the nearest:   {pick_command(record, nearest.trial)}", soft_wrap=True)
    if tracking_uri is not None and is_mlflow(tracking_uri):
        console.print(f"all trials:         autotune ui --tracking-uri {shlex.quote(tracking_uri)}", soft_wrap=True)


def print_pick(record: Record, front: ParetoFront) -> None:
    """The recommendation with its file and its test score, or the nearest miss."""
    pick = front.pick()
    if pick is None:
        print_nearest(front)
        return
    console.print(f"* recommended: trial {pick.trial}: {_short(front, pick)}", style="bold", soft_wrap=True)
    console.print(
        f"  of all that are within one standard error of the best {front.quality.name} "
        f"(± {number(pick.outcome.certainty.standard_error, front.quality)}), the least "
        f"{' x '.join(cost.name for cost in front.objectives[1:])}",
        soft_wrap=True,
    )
    print_doubts(record, pick)
    if rivals := front.rivals(pick):
        names = [str(rival.trial) for rival in rivals[:RIVALS]]
        more = f" and {len(rivals) - RIVALS} more" if len(rivals) > RIVALS else ""
        console.print(
            f"  in {front.quality.name} it can't be told apart from trial {', '.join(names)}{more}", soft_wrap=True
        )
    tested = record.tests.get(str(pick.trial))
    if tested is not None:
        _print_test(front, tested, record.baseline_test)
    if weights := downloads(pick.outcome.metrics):
        console.print(f"  to download: {weights}", soft_wrap=True)
    console.print(f"  {pick.model}", style="cyan", soft_wrap=True)


def print_doubts(record: Record, point: MeasuredPoint) -> None:
    """What speaks against a point's latency; nothing where nothing does."""
    latency = point.outcome.latency
    if latency is not None and not latency.stable:
        console.print(f"  {UNSTABLE} its latency is not stable: {latency.verdict}", style="yellow", soft_wrap=True)
    if _emulated(record):
        console.print("  its latency is an emulator's", style="yellow", soft_wrap=True)


def _emulated(record: Record) -> bool:
    return bool(record.meta.device.emulated)


def _print_test(front: ParetoFront, tested: Scored, baseline: Scored | None) -> None:
    """What the recommended file scored on the test split; and a word where that misses a target."""
    low, high = (number(end, front.quality) for end in tested.interval(front.quality))
    scored = f"{number(tested.scores[front.quality.key], front.quality)} (95 % interval {low} to {high})"
    if baseline is not None:
        scored += f", the baseline {number(baseline.scores[front.quality.key], front.quality)}"
    console.print(
        f"  on the {tested.certainty.samples} test samples that the search never saw: {front.quality.name} {scored}",
        soft_wrap=True,
    )
    if missing := missed_there(front, tested, baseline):
        console.print(
            f"  there it misses {missing}: the search's best is partly luck; ask for a margin, or pick another",
            style="yellow",
            soft_wrap=True,
        )


def print_nearest(front: ParetoFront) -> None:
    """What to say where nothing meets the targets."""
    nearest = front.nearest()
    if nearest is None:
        console.print(unmet(front), style="bold red")
        return
    console.print(f"{unmet(front)}; nearest is trial {nearest.trial}:", style="bold red")
    console.print(f"  {_short(front, nearest)}: {missed(front, nearest)}", soft_wrap=True)
    for target in front.unsure(nearest):
        console.print(f"  {doubt(nearest, target, front.quality)}", style="yellow", soft_wrap=True)


def _short(front: ParetoFront, point: MeasuredPoint) -> str:
    return short(point, front.quality, front.objectives[1:])


def _usage(summary: Summary) -> str:
    usage = summary.usage
    done = f"{usage['trained']} stages trained, {usage['converted']} converted, {usage['reused']} taken from the cache"
    if not usage["trained"] and not usage["converted"]:
        done = f"nothing was trained or converted: {usage['reused']} stages taken from the cache"
    if summary.trials_before:
        done += f"; {summary.trials_before} trials were there already"
    busy = usage["busy_s"] / usage["wall_s"]
    return f"{clock(usage['wall_s'])} in all, {busy:.0%} of it building, evaluating or measuring; {done}"
