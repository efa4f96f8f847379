"""What tests of the runner need to see of processes."""

import time
from collections.abc import Callable

import psutil

LONG = 60.0
"""Seconds after which something never happens."""


def eventually(condition: Callable[[], object]) -> bool:
    """Whether it comes true."""
    end = time.monotonic() + LONG
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def alive(process: psutil.Process) -> bool:
    """A zombie is not."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def children(pid: int) -> list[psutil.Process]:
    """All processes below one."""
    return psutil.Process(pid).children(recursive=True)


def words(process: psutil.Process) -> list[str]:
    """Its command line, nothing where it has ended meanwhile."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []
