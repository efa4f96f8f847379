"""What a tracker is: a projection of a study's record to where people look."""

from typing import Protocol

from autotune.record import Record


class Tracker(Protocol):
    """Shows a study somewhere. Both methods may be called again at any time, to no further effect.

    Whatever they raise costs no trial: the ledger has it all.
    """

    def update(self, record: Record) -> None:
        """Shows the trials that are not shown yet."""
        ...

    def finish(self, record: Record) -> None:
        """Shows the front as it is now."""
        ...
