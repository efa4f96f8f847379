"""Long studies under faults at random moments. Nothing that was told may be lost, nothing that was finished built or
measured again, nothing left running or lying about, and the same command goes on.

python -m benchmarks faults --kills 100 --for 20m --seed 7 --study toy
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from autotune.argument_types import duration, natural, positive
from autotune.status import DONE, UNMET
from autotune.study.journal import JOURNAL
from benchmarks.victim import DIGITS, TOY, Kind, Victim

KILLS = 100

ENDED = (DONE, UNMET)
"""Exit statuses of a run that came to its end."""

TERMINATED = (143, -15, *ENDED)
"""Those of a run that SIGTERM ended: in order, before it took signals, or that had just come to its end."""

SCRATCH = "temporary folder in the end"

_STUDIES = {"toy": TOY, "digits": DIGITS}

_LATER = ("worker", "raylet", "gcs_server", "ray", "runner")
"""Processes whose end a run survives; a study on fakes has none of them."""

_HOW = ("killed", "terminated")
"""What is done to a process."""

_FAULTS = {
    "toy": ["driver killed", "driver terminated", "all killed", "cache damaged", "journal damaged", "disk full"],
    "digits": [
        "driver killed",
        "driver terminated",
        "all killed",
        "cache damaged",
        *(f"{name} killed" for name in _LATER),
    ],
}
"""What may happen to a study, by its name."""


class Campaign:
    """Faults, one after the other, and what came of them.

    Attributes:
        tried, right: by fault.
        wrong: what went wrong, a line each.
        finished: studies that came to their end.
    """

    def __init__(self, folder: Path, kind: Kind, seed: int, say: Callable[[str], None]) -> None:
        """
        Args:
            folder: for the studies.
            kind: of them.
            seed: of what happens when.
            say: told of each fault.
        """
        self.tried, self.right, self.wrong, self.finished = Counter[str](), Counter[str](), list[str](), 0
        self._folder, self._kind, self._random, self._say = folder, kind, random.Random(seed), say
        self._victims = 0
        self._victim = self._next()

    @property
    def kills(self) -> int:
        """Processes that were killed or terminated."""
        return sum(count for name, count in self.tried.items() if name.endswith(_HOW))

    def strike(self) -> None:
        """One fault, and all that can be seen of it. A study that ends before it gives way to the next one."""
        victim = self._victim
        fault = self._random.choice(_FAULTS[self._kind.name])
        name, _, how = fault.partition(" ")
        if not (how in _HOW if victim.runs else self._begun(name, how)):
            return
        full = how == "full"
        if victim.wait(None if full else self._random.uniform(0, self._kind.span)) and not full:
            self._end()
        elif full or self._hit(name, how):
            on = name in _LATER and victim.goes_on()
            self._count(fault, [*victim.changed(), *victim.said(), *([] if on else self._left(name, how))])
            if not on and victim.status in ENDED:
                self._end()

    def close(self) -> None:
        """Runs the last study to its end."""
        if not self._victim.runs:
            self._victim.remember()
            self._victim.start()
        self._victim.wait()
        self._end()

    def table(self) -> str:
        """In Markdown."""
        rows = [f"| {fault} | {tried} | {self.right[fault]} |" for fault, tried in sorted(self.tried.items())]
        return "\n".join([f"| {self._kind.name} | tried | right |", "|---|---|---|", *rows])

    def _next(self) -> Victim:
        self._victims += 1
        return Victim(self._folder / f"{self._kind.name}-{self._victims}", self._kind)

    def _end(self) -> None:
        """What a study is at its end; the next one begins."""
        victim = self._victim
        wrong = [*victim.unfinished(), *victim.left(), *victim.changed(), *victim.said()]
        self.finished += not wrong
        self._count("run to its end", wrong)
        self._count(SCRATCH, victim.scratch())
        self._victim = self._next()

    def _count(self, fault: str, wrong: Sequence[str]) -> None:
        self.tried[fault] += 1
        self.right[fault] += not wrong
        lines = [f"{self._victim.folder.name}, {fault}: {line}" for line in wrong]
        self.wrong += lines
        self._say("\n".join(lines) or f"{self._victim.folder.name}, {fault}: right")

    def _begun(self, name: str, how: str) -> bool:
        """Whether a run could be begun on what the fault damages before it, or with the disk that it fills."""
        self._victim.remember()
        if how == "damaged" and not self._damage(name):
            return False
        self._victim.start(self._random.randrange(60_000) if how == "full" else None)
        return True

    def _hit(self, name: str, how: str) -> bool:
        """Whether there was what the fault kills."""
        if how == "damaged" or name == "all":
            self._victim.kill_all()
            return True
        with suppress(psutil.NoSuchProcess, IndexError):
            process = self._random.choice(self._victim.processes(name))
            process.terminate() if how == "terminated" else process.kill()
            return True
        return False

    def _left(self, name: str, how: str) -> list[str]:
        """What is wrong about the end of a run that was hit."""
        victim = self._victim
        victim.wait()
        expected = ENDED if name in _LATER else TERMINATED if how == "terminated" else None
        status = [] if expected is None or victim.status in expected else [victim.ending]
        return [*victim.left(), *status]

    def _damage(self, what: str) -> bool:
        """Whether there was something to be damaged."""
        if what == "journal":
            path = self._victim.study / JOURNAL
            if path.exists():
                with path.open("ab") as file:
                    file.write(self._random.choice([b'{"op_code": 4, "trial', b"\0" * 100, b"garbage\n" * 3]))
            return path.exists()
        entries = self._victim.cached
        if not entries:
            return False
        entry = self._random.choice(entries)
        path = entry / self._random.choice(["data", "facts.json"])
        self._victim.forget(entry.name)
        data = path.read_bytes()
        middle = len(data) // 2
        garbled = data[:middle] + bytes(byte ^ 0xFF for byte in data[middle : middle + 1]) + data[middle + 1 :]
        damaged = self._random.choice([None, b"", data[:middle], garbled])
        path.unlink()
        if damaged is not None:
            path.write_bytes(damaged)
        return True


def main(words: Sequence[str] = ()) -> int:
    """Strikes until it is told to end, and prints a table; the exit status is 1 where something went wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks faults", description=__doc__)
    parser.add_argument("--kills", type=positive, default=KILLS, help=f"that it ends after (default: {KILLS})")
    parser.add_argument("--for", type=duration, dest="seconds", metavar="TIME", help="that it ends after: 90s, 20m, 2h")
    parser.add_argument("--seed", type=natural, help="of what happens when (default: another one each time)")
    parser.add_argument("--study", choices=_STUDIES, default="toy", help="on fakes (default), or the demo's, with Ray")
    parser.add_argument("--dir", type=Path, help="where studies are kept (default: a temporary folder, removed)")
    asked = parser.parse_args(list(words))
    seed = random.randrange(2**31) if asked.seed is None else asked.seed
    _say(f"seed {seed}")
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as name:
        folder = Path(name) if asked.dir is None else asked.dir
        folder.mkdir(parents=True, exist_ok=True)
        campaign, began = Campaign(folder, _STUDIES[asked.study], seed, _say), time.monotonic()
        while campaign.kills < asked.kills and time.monotonic() - began < (asked.seconds or float("inf")):
            campaign.strike()
        campaign.close()
    _say(f"\n{campaign.table()}\n\n{campaign.kills} kills, {campaign.finished} studies finished, seed {seed}")
    return 1 if campaign.wrong else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
