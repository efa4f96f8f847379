"""What a list of times says."""

from autotune.devices.device import Timing
from autotune.devices.statistics import summary


def test_median_and_p90_over_all_rounds() -> None:
    """In milliseconds; the rounds' runs count together, first runs do not."""
    rounds = [Timing([1000.0, 2000.0, 3000.0], 9e9, 1.0), Timing([4000.0, 5000.0], 9e9, 1.0)]
    assert summary(rounds) == {"latency_ms": 3.0, "latency_p90_ms": 4.6}


def test_one_bad_round_of_three_does_not_move_the_median() -> None:
    """What interleaved rounds are for."""
    good, bad = Timing([100.0] * 10, 1, 1), Timing([300.0] * 10, 1, 1)
    assert summary([good, bad, good])["latency_ms"] == 0.1
