"""What comes last: the front measured once more, in quiet; where the time goes; the test split, looked at once."""

from collections.abc import Callable

from autotune.errors import Fault, UserError
from autotune.ledger.ledger import Ledger
from autotune.results.front import MeasuredPoint
from autotune.results.outcome import Measured, Outcome
from autotune.results.profile import KeptProfile
from autotune.results.quality import Scored
from autotune.results.record import BASELINE, Record
from autotune.results.remeasured import RefusedAfterAll, Remeasured
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
        record = ledger.begun()
        front = record.front()
        complete = all(str(point.trial) in record.remeasured for point in front.points)
        if complete and (done or not whole):
            return
        outcomes = {BASELINE: front.baseline, **{point.trial: point.outcome for point in front.points}}
        outcomes = {trial: outcome for trial, outcome in outcomes.items() if trial not in done}
        results = instrument.measure_anew(list(outcomes.values()))
        done |= outcomes.keys()
        remeasured = {
            str(trial): again
            for trial, result in zip(outcomes, results, strict=True)
            if (again := _again(trial, result, note))
        }
        if not remeasured:
            return
        ledger.note_remeasured(record.remeasured | _twins(record, front.baseline, remeasured) | remeasured)


def _twins(record: Record, baseline: Measured, remeasured: dict[str, Remeasured]) -> dict[str, Remeasured]:
    """The baseline's second measurement, for the trial that is the same file on the same runtime."""
    again = remeasured.get(str(BASELINE))
    key = baseline.config.key
    same = [point for point in record.measured if point.outcome.config.key == key]
    return {} if again is None else {str(point.trial): again for point in same}


def _again(trial: int, outcome: Outcome | Fault, note: Callable[[str], None]) -> Remeasured | None:
    """What the ledger keeps of a file's second measurement, None where the first one stays."""
    if isinstance(outcome, Fault):
        note(f"trial {trial} was not measured once more: {outcome}")
        return None
    if isinstance(outcome, Measured):
        return outcome.latency
    note(f"trial {trial} is refused after all: {outcome.reason}")
    return None if trial == BASELINE else RefusedAfterAll(outcome.reason)


def profile_pick(ledger: Ledger, instrument: Instrument) -> None:
    """Profiles the baseline and the recommended file, or with none the one that is nearest to the targets.

    What can't be profiled is kept with the reason; no study fails for it.

    Args:
        ledger: of the study; gets what was found, and is not asked twice.
        instrument: to run the files with.
    """
    record = ledger.begun()
    front = record.front()
    point = front.pick() or front.nearest()
    outcomes = {BASELINE: front.baseline} | ({} if point is None else {point.trial: point.outcome})
    fresh = {str(trial): outcome for trial, outcome in outcomes.items() if str(trial) not in record.profiles}
    if fresh:
        profiles = {trial: _profile(instrument, outcome, record.device) for trial, outcome in fresh.items()}
        ledger.note("profiles", {trial: profile.to_json() for trial, profile in (record.profiles | profiles).items()})


def _profile(instrument: Instrument, outcome: Measured, device: str) -> KeptProfile:
    """What is kept of a file's profile."""
    try:
        profile = instrument.profile(outcome, device)
    except (Fault, UserError) as error:
        return KeptProfile((), str(error))
    return KeptProfile(tuple(profile.parts), profile.untold)


def test_once(ledger: Ledger, point: MeasuredPoint, test: Callable[[Measured], Scored]) -> dict[str, Scored]:
    """What a file and the baseline score on the test split: as the study has it, else found out and kept.

    Nobody looks twice.

    Args:
        ledger: of the study.
        point: of the file.
        test: as Evaluator.test().

    Returns:
        As Record.tests.
    """
    record = ledger.begun()
    tests = record.tests
    for trial, outcome in ((point.trial, point.outcome), (BASELINE, record.baseline)):
        if str(trial) not in tests:
            tests = tests | {str(trial): test(outcome)}
            ledger.note("tests", {trial: tested.to_json() for trial, tested in tests.items()})
    return tests
