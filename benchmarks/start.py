"""How long `autotune --help` takes, over `python -c pass`. Goal: under 10 times."""

import statistics
import subprocess
import sys
import time

PAIRS = 15


def main() -> None:
    """Prints medians and the median of the ratios, pair by pair."""
    commands = {"python -c pass": ["-c", "pass"], "autotune --help": ["-m", "autotune", "--help"]}
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(PAIRS):
        for name, arguments in commands.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            times[name].append(time.perf_counter() - began)
    for name, taken in times.items():
        print(f"{name:18} {statistics.median(taken) * 1e3:7.1f} ms")
    bare, full = times.values()
    print(f"{'ratio':18} {statistics.median(b / a for a, b in zip(bare, full, strict=True)):7.1f}")
