"""The front once more: what is shipped has a number of its own, taken in quiet."""

from collections.abc import Callable
from typing import Any

from autotune.errors import Fault
from autotune.ledger.ledger import Ledger
from autotune.results.front import Point
from autotune.results.outcome import Outcome
from autotune.results.record import BASELINE, Record
from autotune.study.instrument import Instrument


def measure_front(ledger: Ledger, instrument: Instrument, note: Callable[[str], None], *, whole: bool) -> None:
    """Measures the front and the baseline, each file itself, in turn and with nothing else under way.

    That may move points off the front and others onto it, which are then measured in turn. Where the
    front has anything new, all of it is measured, so that its numbers are of one time.

    Args:
        ledger: of the study; gets what was found.
        instrument: to measure with.
        note: told what could not be measured.
        whole: also where nothing on the front is new.
    """
    done: set[int] = set()
    while True:
        record = ledger.record()
        front = record.front()
        known = front is None or all(str(point.trial) in record.remeasured for point in front.points)
        if front is None or (known and (done or not whole)):
            return
        points = [Point(BASELINE, front.baseline, {}, None), *front.points]
        points = [point for point in points if point.trial not in done]
        found = instrument.measure_anew([point.outcome for point in points])
        done |= {point.trial for point in points}
        told = {
            str(point.trial): again
            for point, outcome in zip(points, found, strict=True)
            if (again := _again(point, outcome, note))
        }
        if not told:
            return
        ledger.note("remeasured", record.remeasured | _twins(record, front.baseline, told) | told)


def _twins(record: Record, baseline: Outcome, told: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The baseline's second measurement, for the trial that is the same file on the same runtime."""
    again, key = told.get(str(BASELINE)), baseline.config.key
    same = [point for point in record.measured if point.outcome.config.key == key]
    return {} if again is None else {str(point.trial): again for point in same}


def _again(point: Point, outcome: Outcome | Fault, note: Callable[[str], None]) -> dict[str, Any] | None:
    """What the ledger keeps of a point's second measurement, None where the first one stays."""
    if isinstance(outcome, Fault):
        note(f"trial {point.trial} was not measured once more: {outcome}")
        return None
    if outcome.state == "measured":
        found: dict[str, Any] = outcome.facts["latency"]
        return found
    note(f"trial {point.trial} is refused after all: {outcome.reason}")
    return None if point.trial == BASELINE else {"refused": outcome.reason}
