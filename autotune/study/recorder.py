"""How a study's trials end: in its ledger, for whoever waits for it, and where it is shown."""

from collections.abc import Sequence

from autotune.config import Config
from autotune.errors import StopStudy
from autotune.ledger.ledger import Ledger
from autotune.results.outcome import Outcome, Refused
from autotune.search.patience import Patience
from autotune.study.reporting import Reporter
from autotune.targets.target import Target
from autotune.track.background import Background


class Recorder:
    """Ends trials.

    Attributes:
        stopped: whether a callback has ended the study: nothing new is begun.
    """

    def __init__(
        self,
        ledger: Ledger,
        targets: Sequence[Target],
        trials: int,
        patience: Patience,
        reporter: Reporter,
        tracker: Background,
    ) -> None:
        """
        Args:
            ledger: of the study.
            targets: of the study.
            trials: that are asked for in all.
            patience: told how far the search is.
            reporter: told where the study stands, with each trial.
            tracker: shows trials that were asked for.
        """
        self._ledger = ledger
        self._targets = targets
        self._trials = trials
        self._patience = patience
        self._reporter = reporter
        self._tracker = tracker
        self.stopped = False

    @property
    def out_of_patience(self) -> bool:
        """Whether the front has stood still for as many trials as it may."""
        return self._patience.is_over(self._ledger.trials_asked)

    def show(self) -> None:
        """Says where the study stands."""
        try:
            self._reporter.progress(self._ledger.begun(), self._trials)
        except StopStudy:
            self.stopped = True

    def tell(self, trial: int | None, outcome: Outcome) -> None:
        """Ends a trial, or adds one that nobody asked for.

        Args:
            trial: its number, None where nobody asked for it.
            outcome: of it.
        """
        if isinstance(outcome, Refused):
            self._reporter.note(f"{outcome.config} refused: {outcome.reason}")
        if trial is None:
            self._ledger.add(outcome, self._targets)
        else:
            self._ledger.tell(trial, outcome, self._targets)
        self.show()
        record = self._ledger.begun()
        self._patience.see(record.trials_done, record.hypervolume())
        if trial is not None:
            self._tracker.update(record)

    def fail(self, trial: int | None, config: Config, reason: str, again: bool) -> None:
        """Ends a trial without an outcome.

        Args:
            trial: as tell().
            config: that was tried.
            reason: kept.
            again: whether it is tried once more.
        """
        if trial is None:
            self._ledger.add_failed(config, reason)
        else:
            self._ledger.fail(trial, reason, again=again)
        self._reporter.note(f"{config}: {reason}; {'queued again' if again else 'given up, see study.log'}")
