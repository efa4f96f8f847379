"""What bought nothing."""

from dataclasses import replace

import pytest

from autotune.config import Runtime
from autotune.results.findings import TimedFile, findings
from autotune.testing import toy_measurement


def row(delegate: str, latency_ms: float, threads: int = 1, file: str = "a", twin: str | None = None) -> TimedFile:
    """With an interval of 1 % to either side."""
    return TimedFile(file, Runtime(delegate, threads), toy_measurement(latency_ms), twin)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([row("xnnpack", 1), row("builtin", 4)], []),
        ([row("xnnpack", 4), row("builtin", 4)], ["xnnpack bought nothing over builtin: as fast"]),
        ([row("gpu", 4), row("xnnpack", 1)], ["gpu bought nothing over xnnpack: 4.0 times slower"]),
        ([row("gpu", 1.2), row("xnnpack", 1)], ["gpu bought nothing over xnnpack: 20% slower"]),
        ([row("gpu", 2), row("builtin", 1)], ["gpu bought nothing over builtin: 2.0 times slower"]),
        ([row("gpu", 2), row("builtin", 4), row("xnnpack", 1)], ["gpu bought nothing over xnnpack: 2.0 times slower"]),
        ([row("gpu", 2), row("xnnpack", 1, threads=2)], []),
        ([row("gpu", 2), row("xnnpack", 1, file="b")], []),
        ([row("reference", 9), row("builtin", 4)], []),
        ([row("builtin", 9), row("xnnpack", 1)], []),
    ],
)
def test_delegates(rows: list[TimedFile], says: list[str]) -> None:
    """Held against XNNPACK, else the built-in kernels, for the same file on as many threads."""
    assert findings(rows) == says


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([row("xnnpack", 1), row("xnnpack", 0.6, 2)], []),
        ([row("xnnpack", 1), row("xnnpack", 1, 2)], ["2 threads bought nothing over 1 on xnnpack: as fast"]),
        (
            [row("xnnpack", 1), row("xnnpack", 0.6, 2), row("xnnpack", 1.1, 4)],
            ["4 threads bought nothing over 1 on xnnpack: 10% slower"],
        ),
        ([row("xnnpack", 1, 2), row("xnnpack", 1, 4)], ["4 threads bought nothing over 2 on xnnpack: as fast"]),
        ([row("xnnpack", 1), row("builtin", 1.1, 2)], []),
    ],
)
def test_threads(rows: list[TimedFile], says: list[str]) -> None:
    """Held against the fewest through the same delegate."""
    assert findings(rows) == says


def test_sparse_weights() -> None:
    """Held against the dense twin in the same runtime."""
    dense = [row("xnnpack", 1, file="dense"), row("xnnpack", 0.5, 2, file="dense")]
    slow = [row("xnnpack", 1, file="sparse", twin="dense"), row("xnnpack", 0.3, 2, file="sparse", twin="dense")]
    assert findings(dense + slow) == ["sparse weights bought nothing on xnnpack in 1 of 2 cases: as fast"]
    assert findings([*dense, row("xnnpack", 0.7, file="sparse", twin="dense")]) == []
    assert findings([*dense, row("xnnpack", 1, file="sparse")]) == []


def test_what_is_not_stable_is_no_evidence() -> None:
    """It counts only where there is nothing else, and that is said."""
    noisy = [TimedFile("b", Runtime("gpu"), toy_measurement(9, "drifts")), row("xnnpack", 1, file="b")]
    [line] = findings(noisy)
    assert line == "gpu bought nothing over xnnpack: 9.0 times slower; but these latencies are not stable"
    assert findings([*noisy, row("gpu", 0.5), row("xnnpack", 1)]) == []
    slow = [row("gpu", 2), row("xnnpack", 1)]
    assert findings([*noisy, *slow]) == ["gpu bought nothing over xnnpack: 2.0 times slower"]
    shaky = [row("gpu", 9), TimedFile("a", Runtime("xnnpack"), toy_measurement(1, "drifts"))]
    assert findings(shaky)[0].endswith("not stable")


def test_many_files_are_one_line() -> None:
    """With in how many cases, and the median of how much slower it was there."""
    rows = [row("xnnpack", 1, file=str(number)) for number in range(5)]
    slower = [row("gpu", ratio, file=str(number)) for number, ratio in enumerate([0.5, 2, 3, 9])]
    assert findings(rows + slower) == ["gpu bought nothing over xnnpack in 3 of 4 cases: 3.0 times slower"]
    assert findings(rows + slower[1:]) == ["gpu bought nothing over xnnpack in all 3 cases: 3.0 times slower"]


@pytest.mark.parametrize(("p50", "high", "silent"), [(0.98, 0.985, True), (0.94, 1.1, True), (0.97, 1.1, False)])
def test_what_may_be_a_gain_is_not_denied(p50: float, high: float, silent: bool) -> None:
    """A small one that the intervals show, or a larger one that they don't."""
    measurement = replace(toy_measurement(1), p50_ms=p50, low_ms=p50 * 0.99, high_ms=high)
    found = findings([row("xnnpack", 1), TimedFile("a", Runtime("gpu"), measurement)])
    assert (found == []) == silent


def test_a_delegate_that_took_nothing() -> None:
    """That its times are the kernels' is said first."""
    idle = replace(toy_measurement(1), delegated=0)
    rows = [TimedFile("a", Runtime("gpu"), idle), row("xnnpack", 1), row("gpu", 0.5, file="b")]
    assert findings(rows)[0] == "gpu took none of the operators in 1 of 2 cases"


def test_nothing_to_say_of_nothing() -> None:
    """No rows, or none that can be compared."""
    assert findings([]) == findings([row("xnnpack", 1)]) == []
