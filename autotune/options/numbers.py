"""Numbers, read from texts, of options and of device files: argparse puts the option's name before what these say."""

import argparse
from collections.abc import Callable

from autotune.config import MOST_THREADS

MOST_CPU = 65_535
"""The largest number of a CPU; Linux counts no further than 8191."""

LONGEST = 10 * 365 * 86_400.0
"""Seconds that may be waited for."""


def whole(least: int, most: int) -> Callable[[str], int]:
    """The type of whole numbers from least to most."""

    def number(text: str) -> int:
        digits = text.lstrip("0") or "0"
        if not text.isascii() or not text.isdigit() or (digits == "0" and least > 0):
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number of {least} or more")
        if len(digits) > len(str(most)) or int(digits) > most:
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is too large; {most} is the most")
        return int(digits)

    return number


positive = whole(1, 1_000_000)
natural = whole(0, 2**32 - 1)
threads = whole(1, MOST_THREADS)
jobs = whole(1, MOST_THREADS)
load = whole(0, MOST_THREADS)


def share(text: str) -> float:
    try:
        share = float(text.removesuffix("%")) * (0.01 if text.endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share between 0 and 1, such as 0.5 or 50%")
    return share


def threads_or_all(text: str) -> int | str:
    return text if text == "all" else threads(text)


def cpus(text: str) -> list[int]:
    """CPU numbers, written as taskset takes them: 0,2-3."""
    try:
        ranges = [[int(end) for end in part.split("-")] for part in text.split(",")]
    except ValueError:
        ranges = []
    spans = [range(first, (last or [first])[0] + 1) for first, *last in ranges]
    if any(span.stop > MOST_CPU + 1 for span in spans) or sum(map(len, spans)) > MOST_CPU + 1:
        raise argparse.ArgumentTypeError(f"{text!r} goes too far; {MOST_CPU} is the last CPU that there may be")
    if not any(spans) or any(len(ends) > 2 for ends in ranges):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of CPUs; write 0,1 or 0-3")
    return [cpu for span in spans for cpu in span]


def duration(text: str) -> float:
    factor = {"s": 1, "m": 60, "h": 3600}.get(text[-1:])
    try:
        seconds = float(text[:-1] if factor else text) * (factor or 1)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 90s, 10m or 2h")
    if seconds > LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is longer than ten years")
    return seconds
