"""What a pool and Ray's process tell each other, over the connection between them."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class RayOptions:
    """What the process is to do.

    Attributes:
        jobs: number of workers.
        start: called once in each worker with the threads it may use, before anything else.
        address: of a running cluster; None for one that is started, on loopback.
        folder: for what is temporary.
        sessions: the folder for Ray's sessions, 42 characters at most: paths of the sockets in it have 107.
        path: where modules are found.
    """

    jobs: int
    start: Callable[[int], None]
    address: str | None
    folder: str
    sessions: str
    path: list[str]


@dataclass(frozen=True)
class Shared:
    """Stands for a value that was sent by this number, among the arguments of a call."""

    number: int


@dataclass(frozen=True)
class Value:
    """A value to be kept: what Shared stands for."""

    number: int
    value: object


@dataclass(frozen=True)
class Call:
    """A function to be called in a worker."""

    number: int
    function: Callable[..., object]
    arguments: tuple[object, ...]


@dataclass(frozen=True)
class Answer:
    """An answer to the call of this number: what the function returned, or what is to be raised."""

    number: int
    result: object = None
    error: Exception | None = None


@dataclass(frozen=True)
class Line:
    """A line for the log, at INFO."""

    text: str


@dataclass(frozen=True)
class State:
    """Whether Ray runs; else why not, and whether that is in what the user said: then the process ends."""

    reason: str | None = None
    wrong: bool = False
