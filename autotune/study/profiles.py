"""Where the time goes, before and after: the baseline's file and the recommended one, operator by operator."""

from dataclasses import asdict
from typing import Any

from autotune.errors import Fault, UserError
from autotune.ledger.ledger import Ledger
from autotune.results.front import Point
from autotune.results.outcome import Outcome
from autotune.results.record import BASELINE
from autotune.study.instrument import Instrument


def profile_pick(ledger: Ledger, instrument: Instrument) -> None:
    """Profiles the baseline and the recommended file, or with none the one that is nearest to the targets.

    What can't be profiled is kept with the reason; no study fails for it.

    Args:
        ledger: of the study; gets what was found, and is not asked twice.
        instrument: to run the files with.
    """
    record = ledger.record()
    front = record.front()
    if front is None:
        return
    point = front.pick() or front.nearest()
    wanted = [Point(BASELINE, front.baseline, {}, None), *([point] if point else [])]
    fresh = {str(one.trial): one.outcome for one in wanted if str(one.trial) not in record.profiles}
    if fresh:
        found = {trial: _profile(instrument, outcome, record.device) for trial, outcome in fresh.items()}
        ledger.note("profiles", record.profiles | found)


def _profile(instrument: Instrument, outcome: Outcome, device: str) -> dict[str, Any]:
    """As Record.profiles has it."""
    try:
        found = instrument.profile(outcome, device)
    except (Fault, UserError) as error:
        return {"parts": [], "untold": str(error)}
    return {"parts": [asdict(part) for part in found.parts], "untold": found.untold}
