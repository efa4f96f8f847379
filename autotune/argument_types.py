"""Types of the command line's arguments; argparse puts the option's name before what they say."""

import argparse

MOST_THREADS = 1024
"""What a space or a command may ask for."""


def positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 1 or more")
    return int(text)


def share(text: str) -> float:
    try:
        share = float(text.removesuffix("%")) * (0.01 if text.endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share between 0 and 1, such as 0.5 or 50%")
    return share


def natural(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 0 or more")
    return int(text)


def threads(text: str) -> int:
    count = positive(text)
    if count > MOST_THREADS:
        raise argparse.ArgumentTypeError(f"{count} threads are more than {MOST_THREADS}, which is the most")
    return count


def threads_or_all(text: str) -> int | str:
    return text if text == "all" else threads(text)


def cpus(text: str) -> list[int]:
    """As taskset takes them: 0,2-3."""
    try:
        ranges = [[int(end) for end in part.split("-")] for part in text.split(",")]
        found = [cpu for first, *last in ranges for cpu in range(first, (last or [first])[0] + 1)]
    except ValueError:
        found = []
    if not found or any(len(part) > 2 for part in ranges):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of CPUs; write 0,1 or 0-3")
    return found


def duration(text: str) -> float:
    factor = {"s": 1, "m": 60, "h": 3600}.get(text[-1:])
    try:
        seconds = float(text[:-1] if factor else text) * (factor or 1)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 90s, 10m or 2h")
    return seconds
