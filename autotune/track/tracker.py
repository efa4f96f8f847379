"""What a tracker is: a projection of a study's record to where people look."""

from typing import Protocol

from autotune.results.record import Record


class Tracker(Protocol):
    """Shows a study somewhere. Both methods may be called again at any time, to no further effect: what is
    there already is found again, by whatever tracker wrote it.

    Whatever they raise costs no trial: the ledger has it all, and they are called again later. They may be
    called from another thread than the one that the tracker was made in.
    """

    def update(self, record: Record) -> None:
        """Shows the trials that are not shown yet. The record may have no baseline yet: then it is enough to
        find out whether the place can be reached.
        """
        ...

    def finish(self, record: Record) -> int:
        """Shows all of the record as it is now.

        Returns:
            How many entries were written or changed, the study's own among them; 0 where all was there.
        """
        ...
