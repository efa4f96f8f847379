"""How a file runs on a device."""

from dataclasses import replace

import pytest

from autotune.testing import toy_measurement


@pytest.mark.parametrize(("low", "high", "reach"), [(9.9, 10.2, 0.02), (9.5, 10.0, 0.05), (10.0, 10.0, 0.0)])
def test_how_far_an_interval_reaches(low: float, high: float, reach: float) -> None:
    """To the side on which it is longer, as a share of the median."""
    assert replace(toy_measurement(10.0), low_ms=low, high_ms=high).reach == pytest.approx(reach)
