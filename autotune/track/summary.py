"""A study in words and numbers: what MLflow shows as a run's description (Markdown)."""

from autotune.report.reproduce import command, pick_command
from autotune.results.front import MeasuredPoint, ParetoFront
from autotune.results.outcome import Measured
from autotune.results.record import Begun, Record
from autotune.targets.metric import LATENCY, METRICS, Metric
from autotune.text.units import heading, median, price, quality_within, tested_within
from autotune.text.words import listed, missed, unmet

_FACTS = ("cpu", "machine", "cores", "system", "litert")
"""Of a device, those that tell it from another at a glance."""


def summary(record: Begun) -> str:
    """What was asked for, what is recommended, the front as a table, and how to take a file of it.

    Args:
        record: of the study.
    """
    front = record.front()
    costs = list(dict.fromkeys([*record.objectives[1:], METRICS["size"]]))
    targets = ", ".join(f"`{target.text}`" for target in front.targets) or "none"
    device = record.meta.device
    values = {name: getattr(device, name) for name in _FACTS}
    facts = ", ".join(f"{name} {value}" for name, value in values.items() if value)
    findings = [f"- {line}" for line in record.findings()]
    lines = [
        f"**Recommended**: {_recommended(record, front, costs)}",
        f"**Targets**: {targets}",
        f"**Device**: {record.device}{f' ({facts})' if facts else ''}{' (emulated)' if device.emulated else ''}",
        f"**Trials**: {len(record.points)}, {len(front.points)} of them on the front",
        _table(front, costs, record.codec),
        *(["\n".join(findings)] if findings else []),
        f"{_take(record, front)}"
        "The files of the front are among the artifacts, in `models/`; `front.html` is the front to look around in. "
        'Trials are the runs below this one; `tags.on_front = "true"` filters those on the front.',
    ]
    return "\n\n".join(lines)


def _take(record: Begun, front: ParetoFront) -> str:
    """How to take the recommended file, or the one that is nearest to the targets."""
    nearest = front.nearest()
    if nearest is None:
        return ""
    pick = front.pick()
    which, how = "nearest", pick_command(record, nearest.trial)
    if pick is not None:
        which, how = "recommended", command(record, "pick")
    return f"To take the {which} file, with its recipe and code that runs it: `{how}`. "


def _recommended(record: Record, front: ParetoFront, costs: list[Metric]) -> str:
    pick = front.pick()
    if pick is None:
        nearest = front.nearest()
        near = f"; nearest is trial {nearest.trial}, which {missed(front, nearest)}" if nearest else ""
        return f"{unmet(front)}{near}"
    numbers = ", ".join([_quality(pick.outcome, front), *(_gain(pick, front.baseline, cost) for cost in costs)])
    test = record.tests.get(str(pick.trial))
    tested = "" if test is None else f"; {tested_within(test, front.quality)} on {test.certainty.samples} test samples"
    return f"trial {pick.trial}, {pick.outcome.config}: {numbers}{tested}"


def _gain(point: MeasuredPoint, baseline: Measured, cost: Metric) -> str:
    """A cost, and what it is of the baseline's."""
    text = f"{cost.name} {price(point.outcome.metrics, cost)}"
    if cost.key not in point.outcome.metrics or not baseline.metrics.get(cost.key):
        return text
    return f"{text} ({point.outcome.metrics[cost.key] / baseline.metrics[cost.key]:.0%} of the baseline's)"


def _table(front: ParetoFront, costs: list[Metric], codec: str) -> str:
    heads = ["trial", "configuration", front.quality.name, *(heading(cost, codec) for cost in costs), "targets"]
    rows = [["baseline", str(front.baseline.config), *_numbers(front.baseline, front, costs), ""]]
    rows += [
        [
            str(point.trial),
            str(point.outcome.config),
            *_numbers(point.outcome, front, costs),
            "met" if point.feasible else missed(front, point),
        ]
        for point in listed(front, everything=False)
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows))


def _numbers(outcome: Measured, front: ParetoFront, costs: list[Metric]) -> list[str]:
    prices = [median(outcome) if cost == LATENCY else price(outcome.metrics, cost) for cost in costs]
    return [quality_within(outcome, front.quality), *prices]


def _quality(outcome: Measured, front: ParetoFront) -> str:
    return f"{front.quality.name} {quality_within(outcome, front.quality)}"
