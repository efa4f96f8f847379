"""Numbers and names as people read them."""

import pytest

from autotune.targets.metric import ACCURACY, DOWNLOAD, LATENCY, METRICS
from autotune.text.units import change, distance, downloads, heading, kernel, milliseconds, size


def test_numbers_have_units_people_read() -> None:
    """Microseconds below a millisecond, seconds above a thousand of them, megabytes above a million bytes."""
    assert [milliseconds(value) for value in (0.0351, 12.34, 999.4, 1234)] == ["35.1 us", "12.3 ms", "999 ms", "1.23 s"]
    assert (size(95904), size(4_300_000), size(25e9)) == ("95.9 kB", "4.30 MB", "25.00 GB")


def test_a_download_says_its_codec() -> None:
    """Where it is not the usual one; all of them in one line, those that were kept."""
    assert [heading(DOWNLOAD, codec) for codec in ("gzip", "xz")] == ["download", "download (xz)"]
    assert heading(LATENCY, "xz") == "latency"
    assert downloads({"download_gzip_bytes": 37_800.0, "download_xz_bytes": 34_428.0}) == "gzip 37.8 kB, xz 34.4 kB"
    assert downloads({"download_bytes": 37_800.0}) == ""


def test_changes_against_the_baseline() -> None:
    """Shares in points, costs in percent, or as a factor from twice as much on."""
    assert [change(value, 0.9, ACCURACY) for value in (0.88, 0.905, 0.9001)] == ["-2.0 pts", "+0.5 pts", "same"]
    assert [change(value, 2.0, LATENCY) for value in (0.5, 2.5, 2.001, 50.0)] == ["-75%", "+25%", "same", "x25"]
    assert change(1.0, 0.0, LATENCY) == "?"


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("accuracy", 0.029, "2.9 points"),
        ("f1", 0.01, "1 point"),
        ("auc", 0.0004, "0.04 points"),
        ("accuracy", 0.37, "37 points"),
        ("mae", 0.25, "0.25"),
        ("latency", 1.3, "1.3 ms"),
        ("init", 0.013, "13 us"),
        ("size", 4000.0, "4.0 kB"),
        ("memory", 40.0, "40 B"),
    ],
)
def test_distances_are_in_the_metrics_own_unit(name: str, value: float, shown: str) -> None:
    """Whatever the metric; none is a share of anything."""
    assert distance(value, METRICS[name]) == shown


def test_layouts_are_left_out_of_kernels_names() -> None:
    """All have them."""
    assert kernel("Convolution (NHWC, F32) IGEMM") == "Convolution (F32) IGEMM"
    assert kernel("Clamp (NC)") == "Clamp"
