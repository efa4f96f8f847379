"""When a search may stop by itself."""

MOVED = 1.001
"""Factor on the hypervolume from which the front has moved."""


class Patience:
    """Whether the front has stood still for a stated number of trials."""

    def __init__(self, trials: int | None) -> None:
        """
        Args:
            trials: without a better front after which to stop; None for never.
        """
        self._trials = trials
        self._volume = 0.0
        self._since = 0

    def see(self, asked: int, hypervolume: float) -> None:
        """Takes note of where the study is.

        Args:
            asked: trials that were asked for.
            hypervolume: of what they gave.
        """
        if hypervolume > MOVED * self._volume:
            self._volume = hypervolume
            self._since = asked

    def is_over(self, asked: int) -> bool:
        """Whether to stop, after so many trials."""
        return self._trials is not None and asked - self._since >= self._trials
