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

from autotune.errors import ExitStatus
from autotune.ledger.journal import JOURNAL
from autotune.options.numbers import duration, natural, positive
from benchmarks.kinds import DIGITS, LATER, TOY, Kind
from benchmarks.mlflow_server import Server
from benchmarks.victim import Victim

KILLS = 100

ENDED = (ExitStatus.DONE, ExitStatus.UNMET)
"""Exit statuses of a run that came to its end."""

TERMINATED = (143, -15, *ENDED)
"""Those of a run that SIGTERM ended: in order, before it took signals, or that had just come to its end."""

TIDY = "nothing temporary in the end"

_STUDIES = {"toy": TOY, "digits": DIGITS}

TRACKED = "trials in MLflow in the end, once each"

_HOW = ("killed", "terminated")
"""What is done to a process."""

_SURVIVED = (*LATER, "server")
"""What a run goes on without."""

STORE_S = 2.0
"""Seconds that the making of an MLflow store takes, more or less."""

AT_ONCE = 0.5
"""How often the disk is full from the beginning of a run on."""


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
        self._due: list[str] = []
        self._server: Server | None = None
        self._victims = 0
        self._victim = self._next()

    @property
    def kills(self) -> int:
        """Processes that were killed or terminated."""
        return sum(count for name, count in self.tried.items() if name.endswith(_HOW))

    def strike(self) -> None:
        """One fault, and all that can be seen of it. A study that ends before it gives way to the next one."""
        victim, fault = self._victim, self._draw()
        name, _, how = fault.partition(" ")
        if not victim.runs:
            self._begin(name, how)
        if not self._comes(name, how):
            self._end()
            return
        self._due.remove(fault)
        self._hit(name, how)
        on = name in _SURVIVED and victim.goes_on()
        self._count(fault, [*([] if on else self._left(name, how)), *victim.changed(), *victim.said()])
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

    def _draw(self) -> str:
        """The next fault. Each comes once in a random order, then each once more: all are tried equally often."""
        while True:
            for fault in self._due:
                if self._can(*fault.split()):
                    return fault
            if self._victim.runs:  # what is due needs another run
                self._victim.wait()
                self._end()
            else:
                self._due += self._random.sample(self._kind.faults, len(self._kind.faults))

    def _can(self, name: str, how: str) -> bool:
        """Whether a fault can come now: to a run that is under way, or to one that is begun for it."""
        if name in (*LATER, "driver", "all", "disk"):
            return True
        return not self._victim.runs and (how != "damaged" or bool(self._damageable(name)))

    def _next(self) -> Victim:
        self._victims += 1
        return Victim(self._folder / f"{self._kind.name}-{self._victims}", self._kind)

    def _end(self) -> None:
        """What a study is at its end; the next one begins."""
        victim = self._victim
        self._close_server()
        wrong = [*victim.unfinished(), *victim.left(), *victim.changed(), *victim.said()]
        self.finished += not wrong
        self._count("run to its end", wrong)
        self._count(TIDY, victim.scratch())
        if any(fault.startswith("server") for fault in self._kind.faults):
            self._count(TRACKED, victim.untracked())
        self._victim = self._next()

    def _count(self, fault: str, wrong: Sequence[str]) -> None:
        self.tried[fault] += 1
        self.right[fault] += not wrong
        lines = [f"{self._victim.folder.name}, {fault}: {line}" for line in wrong]
        self.wrong += lines
        self._say("\n".join(lines) or f"{self._victim.folder.name}, {fault}: right")

    def _begin(self, name: str, how: str) -> None:
        """Begins a run, on what the fault damages before it, or tracked in what it hits."""
        victim = self._victim
        self._close_server()
        victim.remember()
        if how == "damaged":
            self._damage(name)
        if name == "store":
            (victim.folder / "mlflow.db").unlink(missing_ok=True)
        if name == "server":
            self._server = Server(victim.folder, {"TMPDIR": str(self._folder)})
        victim.start(None if self._server is None else self._server.uri)

    def _comes(self, name: str, how: str) -> bool:
        """Waits for the moment of a fault; whether the run has not ended before."""
        victim = self._victim
        if name == "store":
            return victim.makes_store() and not victim.wait(self._random.uniform(0, STORE_S))
        if how == "full" and self._random.random() < AT_ONCE:
            return True
        known = name if name in LATER else "driver"
        return victim.has(known) and not victim.wait(self._random.uniform(0, self._kind.span)) and victim.has(known)

    def _hit(self, name: str, how: str) -> None:
        """The fault itself. What it would kill may have ended in this very moment."""
        if how == "full":
            self._victim.fill(self._random.randrange(self._kind.largest))
        elif name == "server":
            assert self._server is not None
            self._server.kill() if how == "killed" else self._server.stop()
        elif how == "damaged" or name in ("all", "store"):
            self._victim.kill_all()
        else:
            with suppress(psutil.NoSuchProcess, IndexError):
                process = self._random.choice(self._victim.processes(name))
                process.terminate() if how == "terminated" else process.kill()

    def _left(self, name: str, how: str) -> list[str]:
        """What is wrong about the end of a run that was hit."""
        victim = self._victim
        victim.wait()
        expected = ENDED if name in _SURVIVED else TERMINATED if how == "terminated" else None
        status = [] if expected is None or victim.status in expected else [victim.ending]
        return [*victim.left(), *status]

    def _close_server(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _damageable(self, what: str) -> list[Path]:
        """The study's journal, or the folders of the cache's entries, where there are any."""
        if what == "cache":
            return self._victim.cached
        journal = self._victim.study / JOURNAL
        return [journal] if journal.exists() else []

    def _damage(self, what: str) -> None:
        damaged = self._random.choice(self._damageable(what))
        if what == "journal":
            with damaged.open("ab") as file:
                file.write(self._random.choice([b'{"op_code": 4, "trial', b"\0" * 100, b"garbage\n" * 3]))
            return
        path = damaged / self._random.choice(["data", "facts.json"])
        self._victim.forget(damaged.name)
        data = path.read_bytes()
        middle = len(data) // 2
        garbled = data[:middle] + bytes(byte ^ 0xFF for byte in data[middle : middle + 1]) + data[middle + 1 :]
        instead = self._random.choice([None, b"", data[:middle], garbled])
        path.unlink()
        if instead is not None:
            path.write_bytes(instead)


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
