"""A trial that was asked for."""

from typing import NamedTuple

from autotune.config import Config


class Asked(NamedTuple):
    """A trial that was asked for and has not ended.

    Attributes:
        number: of the trial.
        config: to be tried.
    """

    number: int
    config: Config
