"""Numbers and names as people read them."""

import re
from collections.abc import Mapping

from autotune.results.outcome import Measured
from autotune.results.quality import Certainty, Scored
from autotune.targets.metric import CODECS, DOWNLOAD, LATENCY, Metric, compressed

UNSTABLE = "!"
"""Before a latency that is not to be trusted."""


def number(value: float, quality: Metric) -> str:
    return f"{value:.1%}" if quality.kind == "share" else f"{value:.4g}"


def within(value: float, certainty: Certainty, quality: Metric) -> str:
    """A value of the quality with its 95 % interval."""
    low, high = (number(end, quality) for end in certainty.interval(value, quality))
    return f"{number(value, quality)} ({low} to {high})"


def tested_within(tested: Scored, quality: Metric) -> str:
    """What a file scored on the test split, with its 95 % interval."""
    return within(tested.scores[quality.key], tested.certainty, quality)


def quality_within(outcome: Measured, quality: Metric) -> str:
    """An outcome's quality with its 95 % interval."""
    return within(outcome.metrics[quality.key], outcome.certainty, quality)


def bare(reach: float, quality: Metric) -> str:
    """A distance in the unit of number(), without it."""
    return f"{reach:.1%}".rstrip("%") if quality.kind == "share" else f"{reach:.2g}"


def milliseconds(value: float) -> str:
    if value >= 999.5:
        return f"{value / 1e3:.3g} s"
    return f"{value * 1e3:.3g} us" if value < 1 else f"{value:.3g} ms"


def size(value: float) -> str:
    if value >= 1e9:
        return f"{value / 1e9:.2f} GB"
    return f"{value / 1e3:.1f} kB" if value < 1e6 else f"{value / 1e6:.2f} MB"


def distance(value: float, metric: Metric) -> str:
    """How far two values of a metric are apart, in its own unit: a share in points."""
    if metric.kind == "share":
        points = f"{100 * value:.2g}"
        return f"{points} point{'' if points == '1' else 's'}"
    if metric.kind == "bytes":
        return size(value) if value >= 1e3 else f"{value:.0f} B"
    return milliseconds(value) if metric.kind == "time" else f"{value:.2g}"


def price(metrics: Mapping[str, float], cost: Metric) -> str:
    """A cost, "?" where the device could not tell."""
    if cost.key not in metrics:
        return "?"
    return (milliseconds if cost.kind == "time" else size)(metrics[cost.key])


def heading(metric: Metric, codec: str) -> str:
    """A metric's name; a download's with the study's codec, where that is not the usual one."""
    return f"{metric.name} ({codec})" if metric == DOWNLOAD and codec != CODECS[0] else metric.name


def downloads(metrics: Mapping[str, float]) -> str:
    """What a file is under each codec; "" where that was not kept."""
    prices = {codec: price(metrics, compressed(codec)) for codec in CODECS if compressed(codec).key in metrics}
    return ", ".join(f"{codec} {text}" for codec, text in prices.items())


def amount(metrics: Mapping[str, float], metric: Metric, quality: Metric) -> str:
    """A metric as number() where it is the quality, else as price()."""
    return number(metrics[metric.key], quality) if metric == quality else price(metrics, metric)


def amount_of(outcome: Measured, metric: Metric, quality: Metric) -> str:
    """The same of an outcome, with UNSTABLE before a latency that is not to be trusted."""
    timed = metric == LATENCY and LATENCY.key in outcome.metrics
    return bare_median(outcome) if timed else amount(outcome.metrics, metric, quality)


def change(value: float, base: float, metric: Metric) -> str:
    """How far a value is from the baseline's: a share in points, all else in percent of that, or as a factor."""
    if metric.kind == "share":
        text = f"{100 * (value - base):+.1f} pts"
    elif not base:
        return "?"
    else:
        text = f"x{value / base:.3g}" if value / base >= 2 else f"{value / base - 1:+.0%}"
    return "same" if text in ("+0.0 pts", "-0.0 pts", "+0%", "-0%") else text


def kernel(kind: str) -> str:
    """What a runtime calls what it ran, without the layouts that all have."""
    return re.sub(r"\b(NHWC|NC|ND)(, |\b)", "", kind).replace(" ()", "")


def clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def median(outcome: Measured) -> str:
    """A latency: the median, how far its interval reaches, and UNSTABLE before it where it is not to be trusted."""
    return bare_median(outcome) + ("" if outcome.latency is None else f" ±{outcome.latency.reach:.1%}")


def bare_median(outcome: Measured) -> str:
    """The same without the interval."""
    text = milliseconds(outcome.metrics["latency_ms"])
    return text if outcome.latency is None or outcome.latency.stable else f"{UNSTABLE} {text}"
