"""Runs the benchmarks and prints a table each; about an hour on two cores."""

import sys

from benchmarks import (
    channels,
    faults,
    growth,
    images,
    job,
    live,
    measuring,
    recurrent,
    replay,
    report,
    scale,
    start,
    techniques,
    tracking,
    variants,
    zoo,
)

BENCHMARKS = {
    "start": start.main,
    "scale": scale.main,
    "report": report.main,
    "variants": variants.main,
    "job": job.main,
    "growth": growth.main,
    "techniques": techniques.main,
    "channels": channels.main,
    "measuring": measuring.main,
    "recurrent": recurrent.main,
    "replay": replay.main,
    "live": live.main,
    "tracking": tracking.main,
}


def main(names: list[str]) -> None:
    """Runs those named, or all."""
    for name in names or list(BENCHMARKS):
        print(f"\n== {name}: {sys.modules[BENCHMARKS[name].__module__].__doc__}", flush=True)
        BENCHMARKS[name]()


if __name__ == "__main__":
    if sys.argv[1:2] == ["faults"]:  # no number to be made again, but what shall never happen
        sys.exit(faults.main(sys.argv[2:]))
    if sys.argv[1:2] == ["zoo"]:  # takes names of models
        sys.exit(zoo.main(sys.argv[2:]))
    if sys.argv[1:2] == ["images"]:  # takes a number of them; longer than all others together
        images.main(sys.argv[2:])
        sys.exit()
    main(sys.argv[1:])
