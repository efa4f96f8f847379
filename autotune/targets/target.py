"""Targets: "latency<50ms", "accuracy>=baseline-1%"."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from autotune.errors import UserError
from autotune.targets.metric import METRICS, QUALITY, UNITS, Metric, find

Operator = Literal["<", "<=", ">", ">="]


@dataclass(frozen=True)
class Target:
    """A bound on one metric, absolute or relative to the baseline: factor * baseline + offset.

    Attributes:
        metric: what is bounded.
        operator: how.
        offset: in the metric's unit; the bound itself where factor is 0.
        factor: of the baseline's value, 0 for an absolute bound.
        text: as the user wrote it.
    """

    metric: Metric
    operator: Operator
    offset: float
    factor: float
    text: str

    def bound(self, baseline: Mapping[str, float]) -> float:
        """The bound in the metric's unit, given the baseline's metrics by key."""
        return self.offset + (self.factor * baseline[self.metric.key] if self.factor else 0.0)

    def met(self, value: float, baseline: Mapping[str, float]) -> bool:
        """Whether a value meets the target."""
        bound = self.bound(baseline)
        return {"<": value < bound, "<=": value <= bound, ">": value > bound, ">=": value >= bound}[self.operator]

    def worse(self, low: float, high: float) -> float:
        """The end of an interval that is nearer to missing the target, or misses it by more."""
        return high if self.operator in ("<", "<=") else low

    def better(self, low: float, high: float) -> float:
        """The other end of an interval."""
        return low if self.operator in ("<", "<=") else high

    def excess(self, value: float, baseline: Mapping[str, float]) -> float:
        """How far a value is beyond the bound, in the metric's unit; below 0 on the right side of it."""
        beyond = value - self.bound(baseline)
        return beyond if self.operator in ("<", "<=") else -beyond

    def violation(self, value: float, baseline: Mapping[str, float]) -> float:
        """How far a value misses, in units of the bound, so that violations can be summed.

        Returns:
            Above 0 exactly where the target is missed; else 0 or less, larger nearer to the bound.
        """
        scaled = self.excess(value, baseline) / (abs(self.bound(baseline)) or 1.0)
        return scaled if not (scaled <= 0 and not self.met(value, baseline)) else 1e-9


LONGEST = 200
"""Characters of a target."""

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_TARGET = re.compile(r"\s*(?P<metric>\w+)\s*(?P<operator><=|>=|==|=|<|>)\s*(?P<bound>.*?)\s*")
_ABSOLUTE = re.compile(rf"(?P<number>{_NUMBER})\s*(?P<unit>[^\W\d]+|%)?")
_SHIFTED = re.compile(rf"baseline(?:\s*(?P<sign>[+-])\s*(?P<number>{_NUMBER})\s*(?P<unit>[^\W\d]+|%)?)?")
_SCALED = re.compile(rf"baseline\s*(?P<sign>[*/])\s*(?P<number>{_NUMBER})\s*(?P<percent>%)?")
_FRACTION = re.compile(rf"(?P<number>{_NUMBER})\s*(?P<percent>%)?\s*\*\s*baseline")


def parse(text: str, of: Metric = QUALITY) -> tuple[Target, str | None]:
    """A target from its text.

    METRIC OPERATOR BOUND, where the bound is NUMBER[UNIT], baseline, baseline±NUMBER[UNIT],
    baseline*NUMBER, baseline/NUMBER, or NUMBER[%]*baseline. After baseline± a percentage is of
    the baseline, save for metrics that are percentages themselves, where it is of points.

    Args:
        text: as the user wrote it.
        of: the task's metric, which the name quality stands for; without it that stays open.

    Returns:
        The target, and a remark for the user where something had to be supplied.

    Raises:
        UserError: it is no target; one line that says why.
    """
    if len(text) > LONGEST:  # the patterns below would take long over it
        raise UserError(f"target {text[:LONGEST]!r}… is longer than {LONGEST} characters")
    match = _TARGET.fullmatch(text)
    if match is None:
        name = text.strip()
        if named := find(name):
            raise UserError(
                f"target {text!r} has no operator: in a shell, quote it (--target {_example(named)!r}), "
                "since < and > redirect"
            )
        raise UserError(f"target {text!r} is not of the form METRIC<BOUND, such as 'latency<50ms'")
    metric = of if match["metric"] == QUALITY.name else find(match["metric"])
    if metric is None:
        names = ", ".join([*METRICS, "and topK for a number K"])
        raise UserError(f"target {text!r}: unknown metric {match['metric']!r}; known are {names}")
    operator = match["operator"]
    remark = None
    if operator in ("=", "=="):
        if metric == QUALITY:
            raise UserError(f"target {text!r}: write quality>= or quality<=, since not every metric is good when high")
        operator = "<=" if metric.better == "lower" else ">="
        remark = f"target {text!r} is taken as {metric.name}{operator}{match['bound']}"
    offset, factor = _bound(match["bound"], metric, text)
    target = Target(metric, operator, offset, factor, text)  # type: ignore[arg-type]  # the pattern admits no other
    _refuse_impossible(target)
    return target, remark


def parse_all(texts: Iterable[str]) -> tuple[list[Target], list[str]]:
    """Several targets that must hold together.

    Raises:
        UserError: as parse(), a shift of times or bytes has no unit, or two of them contradict each other.
    """
    parsed = [parse(text) for text in texts]
    targets = [target for target, _ in parsed]
    for target in targets:
        _refuse_without_unit(target)
    _refuse_contradictions(targets)
    return targets, [remark for _, remark in parsed if remark]


def resolve(targets: Sequence[Target], metric: Metric) -> list[Target]:
    """The targets, those on quality as targets on the task's metric.

    Raises:
        UserError: as parse_all(), now that the metric is known.
    """
    resolved = [parse(target.text, metric)[0] if target.metric == QUALITY else target for target in targets]
    _refuse_contradictions(resolved)
    return resolved


def _refuse_without_unit(target: Target) -> None:
    """Shifts from the baseline of which nobody knows whether percent or units are meant; parse() reads those of
    studies from before they were refused.
    """
    shifted = target.factor and target.offset
    if shifted and target.metric.needs_unit and re.search(r"[\d.]\s*$", target.text):
        raise UserError(f"target {target.text!r} has no unit; say which: %, {', '.join(UNITS[target.metric.kind])}")


def _refuse_contradictions(targets: Sequence[Target]) -> None:
    for low in targets:
        for high in targets:
            if _contradict(low, high):
                raise UserError(f"targets {low.text!r} and {high.text!r} can't both be met")


def _contradict(low: Target, high: Target) -> bool:
    """Whether nothing is above the one absolute bound and below the other."""
    if low.metric != high.metric or low.factor or high.factor or "<" in low.operator or ">" in high.operator:
        return False
    both_included = "=" in low.operator and "=" in high.operator
    return low.offset > high.offset or (low.offset == high.offset and not both_included)


def _bound(text: str, metric: Metric, whole: str) -> tuple[float, float]:
    """(offset, factor) of a bound's text."""
    if match := _ABSOLUTE.fullmatch(text):
        if match["unit"] is None and metric.needs_unit:
            raise UserError(f"target {whole!r} has no unit; say which: {', '.join(UNITS[metric.kind])}")
        return float(match["number"]) * _unit(match["unit"], metric, whole), 0.0
    if match := _SHIFTED.fullmatch(text):
        if match["number"] is None:
            return 0.0, 1.0
        number = float(match["number"]) * (1 if match["sign"] == "+" else -1)
        if match["unit"] == "%" and metric.kind != "share":
            return 0.0, 1.0 + number / 100
        return number * _unit(match["unit"], metric, whole), 1.0
    if (match := _SCALED.fullmatch(text)) or (match := _FRACTION.fullmatch(text)):
        number = float(match["number"]) * (0.01 if match["percent"] else 1)
        divides = "/" in text
        if number <= 0:
            raise UserError(f"target {whole!r}: the baseline must be multiplied or divided by more than 0")
        return 0.0, 1 / number if divides else number
    raise UserError(f"target {whole!r}: {text!r} is no bound; write {_example(metric)!r} or '{metric.name}<baseline'")


def _unit(unit: str | None, metric: Metric, whole: str) -> float:
    units = UNITS[metric.kind]
    if unit is None:
        return 1.0
    if unit not in units:
        takes = f"takes {', '.join(units)}" if units else "takes no unit"
        raise UserError(f"target {whole!r}: unknown unit {unit!r}; {metric.name} {takes}")
    return units[unit]


def _refuse_impossible(target: Target) -> None:
    """Bounds that no value can meet, whatever the baseline."""
    metric = target.metric
    bound = target.offset
    upper = target.operator in ("<", "<=")
    if not math.isfinite(bound) or not math.isfinite(target.factor):
        raise UserError(f"target {target.text!r}: the bound is too large to be a number")
    costs = metric.kind in ("time", "bytes")  # of which nothing is ever 0
    too_low = bound < 0 or (bound == 0 and (target.operator == "<" or costs))
    if upper and metric.lowest is not None and target.factor <= 0 and too_low:
        raise UserError(f"target {target.text!r} can't be met: {metric.name} is never that low")
    highest = metric.highest
    if highest is None or upper or target.factor < 0 or bound < highest:
        return
    if bound > highest or target.operator == ">" or target.factor:
        hint = f"; did you mean {bound:g}%?" if 1 < bound <= 100 and not target.text.rstrip().endswith("%") else ""
        raise UserError(f"target {target.text!r} can't be met: {metric.name} is at most 100%{hint}")


def _example(metric: Metric) -> str:
    bound = {"time": "50ms", "bytes": "100kB", "share": "90%"}.get(metric.kind, "0.5")
    return f"{metric.name}{'<' if metric.better == 'lower' else '>='}{bound}"
