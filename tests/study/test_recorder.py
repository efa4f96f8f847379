"""How trials end: in the ledger, for whoever waits, and where the study is shown."""

from pathlib import Path

from autotune.config import Config
from autotune.errors import StopStudy
from autotune.ledger.ledger import Ledger
from autotune.results.outcome import Refused
from autotune.results.record import Begun, Record
from autotune.search.patience import Patience
from autotune.space.file import parse
from autotune.study.recorder import Recorder
from autotune.testing import SilentReporter, toy_outcome
from autotune.testing.results import toy_meta

SPACE = {"quantize": ["none", "int8"], "delegate": ["xnnpack"], "threads": [1]}


class Shown(SilentReporter):
    """A reporter, and a tracker, that keep the trials that there were when they were told; stops a study at one."""

    def __init__(self, stop_at: int | None = None) -> None:
        super().__init__()
        self.stop_at = stop_at
        self.progressed: list[tuple[int, int]] = []
        self.tracked: list[int] = []

    def progress(self, record: Begun, trials: int) -> None:
        self.progressed.append((len(record.points), trials))
        if len(record.points) == self.stop_at:
            raise StopStudy

    def update(self, record: Record) -> None:
        self.tracked.append(len(record.points))


def begun(folder: Path, shown: Shown) -> tuple[Ledger, Recorder, Patience]:
    ledger = Ledger(folder / "toy", "toy", parse(SPACE, "toy", (1,)), toy_meta())
    ledger.begin(toy_outcome(0.9, 1.0, 1000))
    patience = Patience(1)
    return ledger, Recorder(ledger, [], 5, patience, shown, shown), patience  # type: ignore[arg-type]  # of a tracker that much


def test_an_outcome_is_kept_and_shown(tmp_path: Path) -> None:
    """With who asked for it, whether anybody did, and with why it was refused."""
    shown = Shown()
    ledger, recorder, patience = begun(tmp_path, shown)
    asked = ledger.ask_for(Config.of({"quantize": "int8", "delegate": "xnnpack"}))
    assert asked is not None
    recorder.tell(asked.number, toy_outcome(0.89, 0.5, 400, quantize="int8"))
    recorder.tell(None, Refused(Config.of({"delegate": "xnnpack"}), "no kernels"))
    assert [point.free for point in ledger.record().points] == [False, True]
    assert shown.progressed == [(1, 5), (2, 5)]
    assert shown.tracked == [1], "what nobody asked for is shown with the next trial"
    assert [note for note in shown.notes if note.endswith("refused: no kernels")] == shown.notes != []
    assert not patience.is_over(1)
    assert not recorder.stopped


def test_a_callback_stops_the_study(tmp_path: Path) -> None:
    """In order: the trial is kept, and tracked."""
    shown = Shown(stop_at=1)
    ledger, recorder, _ = begun(tmp_path, shown)
    asked = ledger.ask_for(Config.of({"quantize": "int8", "delegate": "xnnpack"}))
    assert asked is not None
    recorder.tell(asked.number, toy_outcome(0.89, 0.5, 400, quantize="int8"))
    assert recorder.stopped
    assert shown.tracked == [1]
    assert len(ledger.record().points) == 1


def test_a_failure_is_said_with_what_becomes_of_it(tmp_path: Path) -> None:
    """Queued again, or given up; one that nobody asked for likewise."""
    shown = Shown()
    ledger, recorder, _ = begun(tmp_path, shown)
    config = Config.of({"quantize": "int8", "delegate": "xnnpack"})
    asked = ledger.ask_for(config)
    assert asked is not None
    recorder.fail(asked.number, config, "a worker was lost", True)
    recorder.fail(None, Config.of({"delegate": "xnnpack"}), "a worker was lost", False)
    first, second = shown.notes
    assert first == f"{config}: a worker was lost; queued again"
    assert second.endswith(": a worker was lost; given up, see study.log")
    assert ledger.queued
    assert ledger.record().failed == {"a worker was lost": 2}
