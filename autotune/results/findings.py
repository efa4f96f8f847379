"""What measurements say to whoever chose a delegate, threads or sparse weights: what bought nothing."""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from autotune.config import Runtime
from autotune.results.measurement import Measurement

WORTH = 0.05
"""A gain of the median by this share counts as one, even where the intervals don't show it."""

SAME = 0.03
"""Medians that differ by no more than this share are called equally fast."""

_AGAINST = {"xnnpack": ("builtin",), "builtin": (), "reference": ()}
_CPU = ("xnnpack", "builtin")
"""What a delegate is held against: the first that is there."""


@dataclass(frozen=True)
class TimedFile:
    """A file under one runtime.

    Attributes:
        file: that stands for it, in whatever way.
        runtime: that it ran on.
        measurement: of it.
        twin: of a file with sparse weights, the dense one with its operators and shapes.
    """

    file: Hashable
    runtime: Runtime
    measurement: Measurement
    twin: Hashable | None = None


def findings(rows: Sequence[TimedFile]) -> list[str]:
    """Delegates, threads and sparse weights that bought nothing, a line each; and delegates that ran nothing.

    A delegate is held against XNNPACK, or else the built-in kernels, on as many threads; threads against
    the fewest through the same delegate; a sparse file against its twin in the same runtime. Nothing is
    bought where the interval is not below the other's and the median not by WORTH. Measurements that are not stable
    count where a line has no others, and it says so then.

    Args:
        rows: of one device, each file and runtime once.
    """
    measurements = {(row.file, row.runtime): row.measurement for row in rows}
    idle: dict[str, list[bool]] = defaultdict(list)
    pairs: dict[str, list[tuple[Measurement, Measurement]]] = defaultdict(list)
    for row in rows:
        idle[row.runtime.delegate].append(row.measurement.delegated == 0)
        for claim, other in _claims(row, measurements):
            pairs[claim].append((row.measurement, other))
    return [
        *(
            f"{name} took none of the operators{_of(sum(cases), len(cases))}"
            for name, cases in idle.items()
            if any(cases)
        ),
        *(line for claim, cases in pairs.items() for line in _lines(claim, cases)),
    ]


def _claims(
    row: TimedFile, measurements: dict[tuple[Hashable, Runtime], Measurement]
) -> Iterator[tuple[str, Measurement]]:
    """What may be said of a row, each with what it is held against."""
    delegate = row.runtime.delegate
    threads = row.runtime.threads
    for name in _AGAINST.get(delegate, _CPU):
        if other := measurements.get((row.file, Runtime(name, threads))):
            yield f"{delegate} bought nothing over {name}", other
            break
    fewest = min(runtime.threads for file, runtime in measurements if file == row.file and runtime.delegate == delegate)
    if threads > fewest:
        claim = f"{threads} threads bought nothing over {fewest} on {delegate}"
        yield claim, measurements[row.file, Runtime(delegate, fewest)]
    if other := measurements.get((row.twin, row.runtime)):
        yield f"sparse weights bought nothing on {delegate}", other


def _ratio(measurement: Measurement, other: Measurement) -> float | None:
    """How many times longer it took than the other, None where it was faster."""
    faster = measurement.high_ms < other.low_ms or measurement.p50_ms <= (1 - WORTH) * other.p50_ms
    return None if faster else measurement.p50_ms / other.p50_ms


def _lines(claim: str, pairs: Sequence[tuple[Measurement, Measurement]]) -> Iterator[str]:
    """The claim, where anything bought nothing."""
    stable = [pair for pair in pairs if all(measurement.stable for measurement in pair)]
    ratios = [_ratio(measurement, other) for measurement, other in stable or pairs]
    if any(ratios):
        yield _line(claim, ratios) + ("" if stable else "; but these latencies are not stable")


def _line(claim: str, ratios: Sequence[float | None]) -> str:
    bad = [ratio for ratio in ratios if ratio is not None]
    ratio = median(bad)
    slower = f"{ratio:.1f} times slower" if ratio >= 1.5 else f"{ratio - 1:.0%} slower"
    return f"{claim}{_of(len(bad), len(ratios))}: {'as fast' if ratio <= 1 + SAME else slower}"


def _of(count: int, all_: int) -> str:
    """Words for in how many cases, where there are several."""
    if all_ == 1:
        return ""
    return f" in all {all_} cases" if count == all_ else f" in {count} of {all_} cases"
