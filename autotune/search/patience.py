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

    def see(self, trials: int, hypervolume: float) -> None:
        """Takes note of where the study is.

        Args:
            trials: that were asked for.
            hypervolume: of what they gave.
        """
        if hypervolume > MOVED * self._volume:
            self._volume = hypervolume
            self._since = trials

    def is_over(self, trials: int) -> bool:
        """Whether to stop, after so many trials."""
        return self._trials is not None and trials - self._since >= self._trials
