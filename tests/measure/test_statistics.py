"""What blocks of times say."""

import json
from typing import Any

import numpy as np
import pytest
import scipy.stats

from autotune.devices.device import Timing
from autotune.measure.statistics import interval, settled, summary, verdict
from autotune.results.measurement import Measurement


def rounds(*medians_us: float, **changes: Any) -> list[Timing]:
    """Rounds of 20 inferences around each median."""
    return [
        Timing([median * (1 + 0.001 * (k - 9.5)) for k in range(20)], 900, 5000, **changes) for median in medians_us
    ]


QUIET = [100.0, 100.2, 99.9, 100.1, 100.0, 99.8, 100.1, 100.0]


def test_percentiles_are_of_all_runs_the_median_is_of_the_rounds() -> None:
    """One bad round of many runs does not move the median, but shows in the 99th percentile."""
    found = summary([*rounds(*[100.0] * 6), Timing([500.0] * 50, 900, 5000)])
    assert found.p50_ms == pytest.approx(0.1, rel=0.001)
    assert found.p99_ms == pytest.approx(0.5)
    assert found.runs == 170
    assert len(found.rounds_ms) == 7
    assert (found.first_ms, found.init_ms) == (0.9, 5.0)


def test_the_interval_holds_the_median_as_often_as_it_says() -> None:
    """Of 2000 samples of 6, 9, 12 and 20 skewed values, at least 94 % enclose the true median."""
    random = np.random.default_rng(0)
    for size in (6, 9, 12, 20):
        ends = [interval(random.exponential(size=size).tolist()) for _ in range(2000)]
        held = np.mean([low <= np.log(2) <= high for low, high in ends])
        assert held >= 0.94


def test_more_values_make_the_interval_narrower() -> None:
    """By the square root, as it should be."""
    random = np.random.default_rng(0)
    widths = [
        np.mean([np.diff(interval(random.normal(size=size).tolist()))[0] for _ in range(300)]) for size in (20, 80)
    ]
    assert widths[0] / widths[1] == pytest.approx(2, rel=0.15)


@pytest.mark.parametrize("size", range(6, 60))
def test_the_interval_is_that_of_scipy(size: int) -> None:
    """To the last bit, and by either of its functions, whatever the values."""
    values = np.random.default_rng(size).lognormal(size=size)
    low, high = scipy.stats.quantile_test(values, p=0.5).confidence_interval(0.95)
    k = int(scipy.stats.binom.ppf(0.025, size, 0.5))
    assert interval(values.tolist()) == (low, high) == (np.sort(values)[k - 1], np.sort(values)[-k])


@pytest.mark.parametrize("size", [1, 2, 5])
def test_of_few_values_the_interval_is_all_of_them(size: int) -> None:
    """It never fails, and never claims more than was seen."""
    assert interval(list(range(size))) == (0, size - 1)


def test_settled_when_the_interval_is_narrow() -> None:
    """Not before six rounds, and not while they scatter more than is asked."""
    assert settled(rounds(*QUIET), 0.01)
    assert not settled(rounds(*QUIET[:5]), 0.01)
    assert not settled(rounds(100, 103, 97, 102, 98, 100, 101, 104), 0.01)


def test_quiet_rounds_are_stable() -> None:
    """Also where load, frequency and temperature move a little."""
    found = verdict(rounds(*QUIET, others=0.1, frequency_mhz=[2000, 1990], temperature_c=[50, 53]))
    assert found == "stable"


@pytest.mark.parametrize(
    ("taken", "reason"),
    [
        (rounds(*QUIET, others=0.9), "other processes used 0.9 cores"),
        (
            rounds(*QUIET[:4], frequency_mhz=[2400, 2300]) + rounds(*QUIET[4:], frequency_mhz=[1200, 1250]),
            "the frequency went from 2350 to 1225 MHz",
        ),
        (rounds(*QUIET, temperature_c=[40, 75]), "it warmed up from 40 to 75 °C"),
        (rounds(*[100 + 2 * k for k in range(10)]), "it drifted by +10% over the rounds"),
        (rounds(100, 120, 95, 130, 100, 90, 125, 97), "rounds differ by 30%"),
    ],
)
def test_says_why_rounds_are_not_to_be_trusted(taken: list[Timing], reason: str) -> None:
    """Each kind of disturbance has its own words."""
    assert reason in verdict(taken)


def test_several_reasons_are_all_told() -> None:
    """Load often comes with scatter."""
    assert verdict(rounds(100, 150, 100, 150, 100, 150, others=1.0)).count(";") == 1


def test_what_a_device_can_not_tell_is_none() -> None:
    """Memory, operators and delegation are passed on where they are known."""
    found = summary(rounds(*QUIET))
    assert (found.memory_bytes, found.delegated, found.init_serialized_ms) == (None, None, None)
    known = rounds(*QUIET, memory_bytes=5000, operators=16, delegated=14, fell_back=["CUMSUM x 2"])
    found = summary(known)
    assert (found.memory_bytes, found.operators, found.delegated) == (5000, 16, 14)
    assert found.fell_back == ("CUMSUM x 2",)


def test_what_the_machine_was_like_is_kept() -> None:
    """With the numbers, for whoever doubts them later."""
    found = summary(rounds(*QUIET, others=0.1, frequency_mhz=[2000, 1990], temperature_c=[50, 53]))
    assert found.others == pytest.approx(0.1)
    assert (found.frequency_mhz, found.temperature_c) == ((1990, 2000), (50, 53))
    assert Measurement.from_json(json.loads(json.dumps(found.to_json()))) == found
