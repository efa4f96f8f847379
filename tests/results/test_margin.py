"""Targets are met with margin: by intervals, not by values alone."""

from dataclasses import replace

import pytest

from autotune.results.margin import UNKNOWN, held, violations
from autotune.results.outcome import Measured
from autotune.results.significance import Interval
from autotune.targets.metric import ACCURACY
from autotune.targets.target import parse_all
from autotune.testing import toy_measurement, toy_outcome

BASELINE = toy_outcome(0.9, 10, 1000).metrics


def unpaired(factor: float) -> Interval | None:
    """Of a study that kept no scores of samples."""


def against(outcome: Measured, *texts: str, gap: Interval | None = None) -> dict[str, float]:
    """How far the outcome misses targets, with this difference to the baseline."""
    targets = parse_all(texts)[0]
    return violations(held(outcome, targets, ACCURACY, BASELINE, lambda _: gap), targets, BASELINE)


def test_exact_values_have_no_margin() -> None:
    """Sizes are, and of a latency's tail and of memory nobody knows an interval."""
    outcome = toy_outcome(0.9, 10, 1000)
    assert against(outcome, "download<=1kB", "size<1.2kB", "latency_p90<=11ms") == {
        "download<=1kB": 0.0,
        "size<1.2kB": 1e-9,
        "latency_p90<=11ms": pytest.approx(0.0),
    }


@pytest.mark.parametrize(
    ("bound", "met"), [("10.05ms", False), ("10.2ms", True), ("9ms", False), ("baseline*1.02", True)]
)
def test_latency_by_its_interval(bound: str, met: bool) -> None:
    """It reaches 1 % to either side of 10 ms."""
    outcome = toy_outcome(0.9, 10, 1000).with_latency(toy_measurement(10))
    [violation] = against(outcome, f"latency<{bound}").values()
    assert (violation <= 0) == met
    [slower] = against(outcome, f"latency>{bound}").values()
    assert slower > 0 or bound == "9ms"


def test_latency_without_an_interval_by_its_value() -> None:
    """Of a study from before there were any."""
    assert against(toy_outcome(0.9, 10, 1000), "latency<=10ms") == {"latency<=10ms": 0.0}


@pytest.mark.parametrize(
    ("text", "violation"), [("accuracy>=80%", -0.1), ("accuracy>=88%", 0.0), ("accuracy>=89%", 0.01 / 0.89)]
)
def test_quality_by_its_own_interval(text: str, violation: float) -> None:
    """It reaches from 88 % to 92 %; the violation is that of the lower end, in units of the bound."""
    assert against(toy_outcome(0.9, 10, 1000), text) == {text: pytest.approx(violation)}


@pytest.mark.parametrize(
    ("text", "gap", "met"),
    [
        ("accuracy>=baseline-1%", (-0.02, 0.01), False),
        ("accuracy>=baseline-1%", (-0.009, 0.01), True),
        ("accuracy>=baseline", (0.0, 0.0), True),
        ("accuracy>baseline", (0.0, 0.0), False),
        ("accuracy>=baseline*0.98", (0.001, 0.03), True),
        ("accuracy>=baseline*0.98", (-0.001, 0.03), False),
        ("accuracy<baseline", (-0.02, -0.001), False),
    ],
)
def test_quality_beside_the_baseline_by_their_difference(text: str, gap: Interval, met: bool) -> None:
    """On the same samples: its own interval, 88 % to 92 %, would meet none of these. But the value must, too."""
    assert (against(toy_outcome(0.9, 10, 1000), text, gap=gap)[text] <= 0) == met


def test_the_difference_is_to_what_the_target_says() -> None:
    """To the baseline times its factor."""
    asked: list[float] = []

    def gap(factor: float) -> Interval:
        asked.append(factor)
        return -0.01, 0.01

    targets = parse_all(["accuracy>=baseline-1%", "accuracy>=baseline*0.98", "accuracy>=80%"])[0]
    found = held(toy_outcome(0.9, 10, 1000), targets, ACCURACY, BASELINE, gap)
    assert asked == [1.0, 0.98]
    assert found == {
        "accuracy>=baseline-1%": pytest.approx((0.89, 0.91)),
        "accuracy>=baseline*0.98": pytest.approx((0.872, 0.9)),
        "accuracy>=80%": pytest.approx((0.88, 0.92)),
    }


def test_without_pairs_the_own_interval_decides() -> None:
    """Against the bound as the baseline's value makes it."""
    targets = parse_all(["accuracy>=baseline-1%", "accuracy>=baseline-3%"])[0]
    found = held(toy_outcome(0.9, 10, 1000), targets, ACCURACY, BASELINE, unpaired)
    assert [violation <= 0 for violation in violations(found, targets, BASELINE).values()] == [False, True]


def test_what_the_device_could_not_tell_is_missed() -> None:
    """By a number, so that misses can be summed."""
    outcome = toy_outcome(0.9, 10, 1000)
    assert against(outcome, "memory<1MB") == {"memory<1MB": UNKNOWN}
    known = replace(outcome, metrics=outcome.metrics | {"memory_bytes": 5e5})
    assert against(known, "memory<1MB") == {"memory<1MB": -0.5}
