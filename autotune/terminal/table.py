"""The front as a table."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from autotune.config import LEVELS, Config
from autotune.results.front import MeasuredPoint, ParetoFront
from autotune.results.outcome import Measured
from autotune.targets.metric import LATENCY, METRICS, Metric
from autotune.text.units import bare, bare_median, heading, median, number, price
from autotune.text.words import listed, missed

NARROW, WIDEST = 60, 1000
"""Columns of a terminal below which a table has but the least, and that no table needs."""

COLUMNS = (METRICS["size"], METRICS["download"])
"""Costs that a table has beside the latency, be they objectives or not."""

TIED = "≈"
"""Before a quality or a latency that can't be told apart from the one above it."""


def front_table(front: ParetoFront, codec: str, *, everything: bool = False) -> Table:
    """The front, best quality first, with the baseline above it.

    A quality and a latency have half their 95 % interval behind them (the longer half, where they differ),
    and TIED before them where they can't be told apart from those of the trial above.

    Args:
        front: to show.
        codec: of the study.
        everything: all of it, with what misses a target; else what is feasible, ROWS of it.
    """
    quality = front.quality
    costs = list(dict.fromkeys([*COLUMNS, *(cost for cost in front.objectives[1:] if cost != LATENCY)]))
    pick = front.pick()
    table = Table(box=None, pad_edge=False, padding=(0, 1), header_style="bold")
    shown = listed(front, everything=everything)
    model = ("model",) if front.baseline.config.recipe.model else ()
    channels = ("channels",) if any(point.outcome.config.recipe.channels < 1 for point in shown) else ()
    for name in ("", "trial", *model, *channels, "prune", "cluster", "quantize", "runs on"):
        words = name in ("", "model", "quantize", "runs on")
        table.add_column(name, justify="left" if words else "right", no_wrap=True)
    for name in (quality.name, "median", *(heading(cost, codec) for cost in costs)):
        table.add_column(name, justify="right", no_wrap=True)
    misses = any(not point.feasible for point in shown)
    if misses:
        table.add_column("", overflow="fold")
    baseline = front.baseline
    cells = _config(baseline.config, cuts=bool(channels))
    table.add_row("", "base", *cells, *_numbers(baseline, quality, costs), style="dim")
    for point, tied, as_fast in zip(shown, front.ties(shown), front.latency_ties(shown), strict=True):
        best = pick is not None and point.trial == pick.trial
        numbers = _numbers(point.outcome, quality, costs, tied=tied, as_fast=as_fast)
        cells = [*_config(point.outcome.config, cuts=bool(channels)), *numbers]
        table.add_row(
            "*" if best else "",
            str(point.trial),
            *cells,
            *([missed(front, point)] if misses else []),
            style="bold green" if best else "" if point.feasible else "dim",
        )
    return table


def width_of(table: Table) -> int:
    """The columns that a table takes where there is room."""
    return Console(width=WIDEST).measure(table).maximum


def short_table(front: ParetoFront, points: Sequence[MeasuredPoint], width: int, codec: str) -> Table:
    """The same for a terminal that is too narrow for it, recipes in words, cut where they are too long.

    Args:
        front: to show.
        points: of it, in its order.
        width: of the terminal. Below NARROW columns it is without what they run on, and other costs than the latency.
        codec: of the study.
    """
    narrow = width < NARROW
    quality, costs = front.quality, [cost for cost in front.objectives[1:] if cost != LATENCY and not narrow]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", expand=True)
    table.add_column("front", justify="right", no_wrap=True)
    table.add_column("recipe", ratio=1, no_wrap=True, overflow="ellipsis")
    if not narrow:
        table.add_column("runs on", no_wrap=True)
    for name in (quality.name, "median", *(heading(cost, codec) for cost in costs)):
        table.add_column(name, justify="right", no_wrap=True)
    pick = front.pick()
    rows = [(str(point.trial), point.outcome, point.feasible) for point in points]
    for trial, outcome, feasible in [("base", front.baseline, False), *rows]:
        config, metrics = outcome.config, outcome.metrics
        table.add_row(
            trial,
            str(config.recipe),
            *([] if narrow else [config.runtime.short]),
            number(metrics[quality.key], quality),
            bare_median(outcome),
            *(price(metrics, cost) for cost in costs),
            style="bold green" if pick is not None and trial == str(pick.trial) else "" if feasible else "dim",
        )
    table.width = min(width, width_of(table))
    return table


def _config(config: Config, *, cuts: bool) -> list[str]:
    recipe = config.recipe
    once = "" if recipe.trains else " once"
    scheme = "float32" if recipe.quantize == "none" else recipe.quantize
    levels = f" {recipe.levels} levels" if recipe.matters("levels") and recipe.levels < LEVELS[0] else ""
    mixed = f" mixed {recipe.mixed:.0%}" if recipe.matters("mixed") and recipe.mixed else ""
    ends = " in/out" if recipe.matters("io") and recipe.io == "int8" else ""
    samples = f", {recipe.samples} samples" if recipe.matters("samples") else ""
    plugged = "".join(f", {name} {value}" for name, value in recipe.extra)
    return [
        *([recipe.model] if recipe.model else []),
        *([f"{recipe.channels:.0%}{once}" if recipe.channels < 1 else "-"] if cuts else []),
        f"{recipe.prune:.0%}{once}" if recipe.prune else "-",
        f"{recipe.cluster}{once}" if recipe.cluster else "-",
        scheme + levels + mixed + ends + samples + plugged,
        config.runtime.short,
    ]


def _numbers(
    outcome: Measured, quality: Metric, costs: Sequence[Metric], *, tied: bool = False, as_fast: bool = False
) -> list[str]:
    metrics = outcome.metrics
    value = outcome.metrics[quality.key]
    low, high = outcome.interval(quality)
    same = f"{TIED} " if tied else ""
    same_latency = f"{TIED} " if as_fast else ""
    return [
        f"{same}{number(value, quality)} ±{bare(max(value - low, high - value), quality)}",
        f"{same_latency}{median(outcome)}",
        *(price(metrics, cost) for cost in costs),
    ]
