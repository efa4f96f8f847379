"""What a picture of the front shows, whatever draws it: quality against a cost."""

import math
from collections.abc import Mapping, Sequence

from autotune.results.front import MeasuredPoint, ParetoFront
from autotune.results.record import Record
from autotune.targets.metric import LATENCY, Metric
from autotune.text.units import heading

NEAR = 3.0
"""How far beyond what was measured a target may be for the axis to reach to it, as a factor."""

PANELS = 2
"""Costs that the quality is drawn against at most."""

_LOOKS = {
    "none": ("#4d4d4d", "float32"),
    "float16": ("#1f77b4", "float16"),
    "dynamic": ("#2ca02c", "dynamic range"),
    "weight_int8": ("#17becf", "int8 weights only"),
    "int8": ("#d62728", "full integer"),
    "int16x8": ("#9467bd", "int8 weights, int16 activations"),
    "int4": ("#8c564b", "int4"),
    "w4a8": ("#e377c2", "int4 weights, int8 activations"),
    "qat": ("#ff7f0e", "quantization-aware training"),
}
"""Of each of config.SCHEMES its colour, and what papers call it."""

COLOURS = {name: colour for name, (colour, _) in _LOOKS.items()}
"""Of quantization schemes."""

TITLES = {name: title for name, (_, title) in _LOOKS.items()}
"""Likewise."""

TONES = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#8c564b")
"""Of objectives."""

BOUND = "#b00020"
"""Colour of targets."""


def scheme(name: str) -> str:
    """What people call a quantization scheme."""
    return "float32" if name == "none" else name


def value(metrics: Mapping[str, float], cost: Metric) -> float:
    """A cost in the axis' unit; NaN, which is not drawn, where the device could not tell."""
    return metrics.get(cost.key, math.nan) / unit(cost)


def unit(cost: Metric) -> float:
    """A unit of a cost's axis, counted in that in which the cost is kept."""
    return 1e3 if cost.kind == "bytes" else 1.0


def caption(cost: Metric, codec: str) -> str:
    """The caption of a cost's axis, in a study of this codec."""
    return "latency, median (ms)" if cost == LATENCY else f"{heading(cost, codec)} (kB)"


def stairs(points: Sequence[MeasuredPoint], cost: Metric, quality: Metric) -> list[tuple[float, float]]:
    """The best quality to be had at each cost, among the feasible points or, with none, all: (value(), quality),
    rising; none before anything in the space was measured.
    """
    sign = 1 if quality.better == "higher" else -1
    priced = [point for point in points if cost.key in point.outcome.metrics]
    chosen = [point for point in priced if point.feasible] or priced
    pairs = [(value(point.outcome.metrics, cost), point.outcome.metrics[quality.key]) for point in chosen]
    steps: list[tuple[float, float]] = []
    for price, reached in sorted(pairs, key=lambda pair: (pair[0], -sign * pair[1])):
        if not steps or sign * reached > sign * steps[-1][1]:
            steps.append((price, reached))
    return steps


def span(record: Record, front: ParetoFront, cost: Metric) -> tuple[float, float]:
    """The ends of a cost's axis, logarithmic: what was measured, and targets that are NEAR to it, with a margin."""
    outcomes = [*(point.outcome for point in record.measured), front.baseline]
    prices = [value(outcome.metrics, cost) for outcome in outcomes]
    prices = [price for price in prices if price > 0]  # others are not known, or have no logarithm
    low, high = min(prices, default=1.0), max(prices, default=1.0)
    bounds = [target.bound(front.baseline.metrics) / unit(cost) for target in front.targets if target.metric == cost]
    near = [bound for bound in bounds if low / NEAR <= bound <= high * NEAR]
    low, high = min([low, *near]), max([high, *near])
    wide = max((high / low) ** 0.06, 1.05)
    return low / wide, high * wide


def beyond(text: str, at: float, ends: tuple[float, float]) -> str:
    """What a target at this cost is called: with an arrow where the axis does not reach to it."""
    low, high = ends
    return text if low <= at <= high else f"{text} {'→' if at > high else '←'}"


def right_half(at: float, ends: tuple[float, float]) -> bool:
    """Whether a cost is in the right half of its axis, where a text has its room to the left."""
    low, high = ends
    return at * at > low * high


def ticks(low: float, high: float, least: int = 4) -> list[float]:
    """Round numbers on a logarithmic axis, at least so many, and more to either side of it, where one may pan."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for digits in ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)):
        marks = [digit * 10.0**power for power in range(first - 2, last + 2) for digit in digits]
        if sum(low <= tick <= high for tick in marks) >= least:
            return marks
    reach = high - low
    if not reach:
        return marks
    power = 10.0 ** math.floor(math.log10(reach / least))
    step = max(step for step in (power, 2 * power, 5 * power) if step == power or _multiples(low, high, step) >= least)
    beside = math.ceil(4 * reach / step)
    return [count * step for count in range(max(1, math.ceil(low / step) - beside), math.floor(high / step) + beside)]


def _multiples(low: float, high: float, step: float) -> int:
    """How many of a step are between two numbers."""
    return math.floor(high / step) - math.ceil(low / step) + 1
