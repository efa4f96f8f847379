"""What people see of a run while it lasts, on a terminal: a view that is drawn anew in place."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich.console import Console, ConsoleOptions, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from autotune.results.front import ParetoFront
from autotune.results.record import Begun
from autotune.study.reporting import Activity
from autotune.terminal.lines import PlainOutput
from autotune.terminal.study import console, short
from autotune.terminal.table import NARROW, short_table, width_of
from autotune.text.units import clock
from autotune.text.words import listed, missed

REFRESH = 2.0
"""Times a second that the view is drawn: seldom, since the device may be this machine."""

ROWS, WORKERS = 6, 8
"""Rows of a front, and lines of workers, that a view has at most."""

WIDE, BAR = 110, 40
"""Columns of a view and of its bar at most."""

STAGES = {
    "trim": "taking out dead channels",
    "cut": "cutting channels",
    "recover": "training with fewer channels",
    "prune": "pruning",
    "prune_once": "pruning",
    "cluster": "clustering",
    "cluster_once": "clustering",
    "qat": "quantization-aware training",
    "convert": "converting",
    "round": "rounding",
    "quantize": "quantizing",
}
"""The built-in stages in words; a plug-in's has its name."""

ON_DEVICE = {"evaluate": "evaluating", "measure": "measuring", "profile": "profiling"}

BLOCKS = "▁▂▃▄▅▆▇█"


class LiveOutput(PlainOutput):
    """A view that is drawn anew in place, notes above it, and at the end the summary in its place."""

    def __init__(self, workers: int, timeout: float | None = None) -> None:
        """
        Args:
            workers: that build.
            timeout: seconds after which nothing new is begun, None for never.
        """
        super().__init__()
        self._view = View(workers, timeout)
        self._live = Live(
            self._view,
            console=console,
            refresh_per_second=REFRESH,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )

    def __enter__(self) -> "LiveOutput":
        self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def status(self, text: str) -> None:
        self._view.status(text)

    def working(self, under_way: Sequence[Activity]) -> None:
        self._view.working(under_way)

    def progress(self, record: Begun, trials: int) -> None:
        self._view.progress(record, trials)


@dataclass
class View:
    """Where a run stands, as lines that fit the terminal.

    Attributes:
        workers: that build.
        timeout: seconds after which nothing new is begun, None for never.
    """

    workers: int
    timeout: float | None = None
    _began: float = field(default_factory=lambda: time.monotonic())
    _status: tuple[str, float] = ("starting", 0.0)
    _seats: dict[int, tuple[Activity, float]] = field(default_factory=dict)
    _device: Activity | None = None
    _record: Begun | None = None
    _front: ParetoFront | None = None
    _trials: int = 0
    _first: tuple[int, float] = (0, 0.0)
    _volumes: list[float] = field(default_factory=list)

    def status(self, text: str) -> None:
        """Does what Reporter.status() says."""
        since = self._status[1] if self._status[0] else time.monotonic()
        self._status = (text, since)

    def working(self, under_way: Sequence[Activity]) -> None:
        """Does what Reporter.working() says.

        A worker keeps its line, and what waits for a worker takes the first that is free.
        """
        now = time.monotonic()
        builds = [activity for activity in under_way if activity.place == "worker"]
        seats = {seat: held for seat, held in self._seats.items() if held[0] in builds}
        seated = [activity for activity, _ in seats.values()]
        free = [seat for seat in range(self.workers) if seat not in seats]
        waiting = [activity for activity in builds if activity not in seated]
        self._seats = seats | {seat: (activity, now) for seat, activity in zip(free, waiting, strict=False)}
        device = next((activity for activity in under_way if activity.place == "device"), None)
        if device is None or device != self._device:
            self._status = ("", now)  # what was waited for has come
        self._device = device

    def progress(self, record: Begun, trials: int) -> None:
        """Does what Reporter.progress() says."""
        if self._record is None or record.name != self._record.name:
            now = time.monotonic()
            self._first = (record.trials_done, now)
            self._volumes = []
            self._status = ("", now)
        self._front = record.front()
        self._trials = trials
        self._volumes.append(record.hypervolume())
        self._record = record

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        width = min(options.max_width, WIDE)
        height = console.size.height - 1
        yield self._head(width)
        if self._record is None and not self._seats and self._device is None:
            return
        workers = self._workers(max(1, min(WORKERS, height - 8)))
        results = [*self._results(fancy=options.encoding.startswith("utf"))]
        yield _labelled([*workers, self._on_device(), *results], width)
        rows = min(ROWS, height - len(workers) - len(results) - 5)  # its blank line, its header, the baseline
        if self._record is not None and self._front is not None and rows > 0:
            yield Text()
            points = listed(self._front, everything=False, most=rows)[:rows]
            yield short_table(self._front, points, width, self._record.codec)

    def _head(self, width: int) -> RenderableType:
        elapsed = clock(time.monotonic() - self._began)
        if self._record is None:
            text = "measuring the baseline" if self._seats or self._device else self._status[0]
            return Text(f"{elapsed}  {text}", no_wrap=True, overflow="ellipsis")
        done = self._record.trials_done
        name = f"{self._record.name} on {self._record.device}  " if width >= NARROW else ""
        line = Table.grid(padding=(0, 1))
        for _ in range(3):
            line.add_column(no_wrap=True)
        room = max(4, min(BAR, width - len(name) - 36))
        bar = ProgressBar(max(self._trials, 1), done, width=room, complete_style="cyan", finished_style="cyan")
        times = Text(f"{elapsed}{self._left(done)}", style="dim")
        line.add_row(Text(f"{name}{done}/{self._trials} trials"), bar, times)
        return line

    def _left(self, done: int) -> str:
        """The time that is left at this pace, or until the timeout where that comes first."""
        now, (since, at) = time.monotonic(), self._first
        ends = [] if self.timeout is None else [self._began + self.timeout - now]
        if since < done < self._trials:
            ends.append((now - at) / (done - since) * (self._trials - done))
        return f", {clock(max(0.0, min(ends)))} left" if ends and done < self._trials else ""

    def _workers(self, lines: int) -> list[tuple[str, Text]]:
        """What each worker does; where there are more than lines for them, the last line counts the others."""
        measuring = self._device is not None and self._device.doing == "measure"
        idle = Text("rests while the device measures" if measuring else "idle", style="dim")
        shown = self.workers if self.workers <= lines else lines - 1
        rows = []
        for seat in range(shown):
            held = self._seats.get(seat)
            rows.append((f"worker {seat + 1}", idle if held is None else _since(held[1], _described(held[0]))))
        if shown < self.workers:
            busy = sum(seat >= shown for seat in self._seats)
            rows.append(("others" if shown else "workers", Text(f"{busy} of {self.workers - shown} at work")))
        return rows

    def _on_device(self) -> tuple[str, Text]:
        text, since = self._status
        if self._device is not None:
            return "device", _since(self._device.since, text or _described(self._device))
        return "device", _since(since, text) if text else Text("idle", style="dim")

    def _results(self, *, fancy: bool) -> Iterator[tuple[str, Text]]:
        """The best so far against the targets, and the hypervolume with how it grew."""
        if self._record is None or self._front is None:
            return
        front = self._front
        pick = self._front.pick()
        targets = self._record.meta.targets
        if pick is not None:
            best = f"trial {pick.trial}: {short(pick, front.quality, front.objectives[1:])}"
            yield "best", Text(best, style="bold green")
            if targets:
                yield "", Text(f"meets {', '.join(targets)}", style="green")
        elif (nearest := front.nearest()) is not None:
            yield "nearest", Text(f"trial {nearest.trial}: {short(nearest, front.quality, front.objectives[1:])}")
            yield "", Text(missed(front, nearest), style="yellow")
        grown = f" {sparkline(self._volumes)}" if fancy and len(self._volumes) > 1 else ""
        yield "hypervolume", Text.assemble(f"{self._volumes[-1]:.3f}", (grown, "cyan"))


def _labelled(lines: Sequence[tuple[str, Text]], width: int) -> Table:
    """Lines with what they are about before them, each cut at the width of the terminal."""
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    for label, text in lines:
        table.add_row(label, text)
    table.width = min(width, width_of(table))
    return table


def _since(began: float, text: str) -> Text:
    return Text.assemble((f"{clock(time.monotonic() - began):>5}  ", "dim"), text)


def _described(activity: Activity) -> str:
    recipe = "" if activity.recipe is None else str(activity.recipe)
    if activity.place == "device":
        return f"{ON_DEVICE[activity.doing]} {recipe}".strip()
    doing = STAGES.get(activity.doing, activity.doing)
    tuned = activity.trains and "training" not in doing
    return f"{recipe} · {doing}{' and fine-tuning' if tuned else ''}"


def sparkline(values: Sequence[float], most: int = 24) -> str:
    """Values as bars from the least to the greatest, one a character; evenly spread ones where they are too many."""
    count = min(most, len(values))
    some = [values[round(index * (len(values) - 1) / max(1, count - 1))] for index in range(count)]
    least, reach = min(some), max(some) - min(some)
    return "".join(BLOCKS[round((value - least) / reach * (len(BLOCKS) - 1)) if reach else 0] for value in some)
