"""What people see of devices: what each is like, and what was measured there."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table
from rich.text import Text

from autotune.devices.discovery import Seen
from autotune.measure.bench import BenchRow, BenchWindow
from autotune.measure.rounds import Job
from autotune.results.measurement import Measurement
from autotune.results.meta import DeviceFacts
from autotune.terminal.study import console
from autotune.text.units import clock, milliseconds, size

WINDOWS = 12
"""Lines of a latency over time at most."""

LEAST_S = 5.0
"""Seconds that each stands for at least."""

BAR = 24
"""Characters of the longest bar."""


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Shows on a terminal what is being done; elsewhere says only what is waited for, and that once."""
    errors = Console(stderr=True, highlight=False, markup=False)
    said = set()
    with errors.status("", refresh_per_second=4) as status:  # seldom: the device may be this machine

        def say(text: str) -> None:
            status.update(Text(text))
            if not errors.is_terminal and text.startswith("waiting") and text not in said:
                said.add(text)
                errors.print(text, soft_wrap=True)

        yield say


# --- devices --------------------------------------------------------------------------------------


def print_seen(seen: Seen) -> None:
    """A device in a few lines."""
    if seen.facts is None:
        console.print(Text.assemble((seen.device, "bold red"), f"  {seen.reason}"), soft_wrap=True)
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, min_width=10, style="dim")
    table.add_column(overflow="fold")
    for name, text in _about(seen, seen.facts):
        table.add_row(name, Text(text))
    name = seen.facts.device
    other = f"  {seen.device}" if seen.device != name else ""
    console.print(Text.assemble((name, "bold green"), (other, "dim")))
    console.print(table)


def _about(seen: Seen, facts: DeviceFacts) -> Iterator[tuple[str, str]]:
    yield "  is", machine(facts)
    yield "  runs", ", ".join(seen.delegates)
    for delegate, reason in seen.missing.items():
        yield "  not", f"{delegate}: {reason.removeprefix(f'{delegate} refuses the file: ')}"
    yield "  threads", ", ".join(map(str, seen.threads))
    if now := _now(facts.load, seen.temperature_c):
        yield "  now", now


def machine(device: DeviceFacts) -> str:
    """What doesn't change of a machine, in one line."""
    parts = [
        device.cpu,
        device.machine,
        f"{device.cores} cores" if device.cores is not None else None,
        f"{device.memory_bytes / 1e9:.1f} GB" if device.memory_bytes else None,
        device.system,
        f"{device.runtime or 'LiteRT'} {device.litert}" if device.litert else None,
        f"governor {device.governor}" if device.governor else None,
        f"CPUs {', '.join(map(str, device.cpus))} only" if device.cpus else None,
        "its times are an emulator's" if device.emulated else None,
    ]
    return " · ".join(part for part in parts if part)


def _now(load: float | None, heat: float | None) -> str:
    said = [f"{heat:.0f} °C" if heat is not None else "", f"load {load:.1f}" if load is not None else ""]
    return " · ".join(filter(None, said))


# --- bench ----------------------------------------------------------------------------------------


def print_rows(rows: Sequence[BenchRow], notes: Sequence[str], device: DeviceFacts, load: int) -> None:
    """Measurements as a table, what is to be said of them, and of the machine."""
    measured = [row.result for row in rows if isinstance(row.result, Measurement)]
    if measured:
        console.print(_table(rows, again=any(measurement.init_serialized_ms is not None for measurement in measured)))
    names = _names([row.model for row in rows])
    alike: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        for style, text in _remarks(row):
            alike.setdefault((names[row.model], text, style), []).append(row.runtime.short)
    for (name, text, style), on in alike.items():
        console.print(Text(f"{name} on {', '.join(on)}: {text}", style=style), soft_wrap=True)
    for line in notes:
        console.print(line, style="yellow", soft_wrap=True, markup=False)
    beside = f" · beside {load} busy core{'s' if load > 1 else ''}" if load else ""
    console.print(f"\n{device.device}: {machine(device)}{beside}", style="dim", soft_wrap=True, markup=False)


def _table(rows: Sequence[BenchRow], *, again: bool) -> Table:
    table = Table(box=None, pad_edge=False, collapse_padding=True, header_style="bold")
    table.add_column("file", overflow="fold")
    table.add_column("runs on", no_wrap=True)
    numbers = ("median", "95 % interval", "p90", "p99", "first", "init", *(["init again"] if again else []), "memory")
    for name in (*numbers, "delegated"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    names = _names([row.model for row in rows])
    for row in rows:
        if isinstance(row.result, Measurement):
            table.add_row(names[row.model], row.runtime.short, *_cells(row.result, again=again))
    return table


def _cells(measurement: Measurement, *, again: bool) -> list[str]:
    serialized_ms = measurement.init_serialized_ms
    return [
        milliseconds(measurement.p50_ms),
        _interval(measurement.low_ms, measurement.high_ms),
        milliseconds(measurement.p90_ms),
        milliseconds(measurement.p99_ms),
        milliseconds(measurement.first_ms),
        milliseconds(measurement.init_ms),
        *(["-" if serialized_ms is None else milliseconds(serialized_ms)] if again else []),
        "-" if measurement.memory_bytes is None else size(measurement.memory_bytes),
        "-" if measurement.delegated is None else f"{measurement.delegated}/{measurement.operators}",
        "stable" if measurement.stable else "unstable",
    ]


def _interval(low: float, high: float) -> str:
    """An interval, with the unit once where it is the same."""
    (bottom, unit), top = milliseconds(low).split(), milliseconds(high)
    return f"{bottom} to {top}" if top.endswith(f" {unit}") else f"{bottom} {unit} to {top}"


def _remarks(row: BenchRow) -> Iterator[tuple[str, str]]:
    """What a row of numbers does not say, each with its style."""
    if not isinstance(row.result, Measurement):
        yield "red", str(row.result)
        return
    if row.result.fell_back:
        yield "", f"not delegated: {', '.join(row.result.fell_back)}"
    if not row.result.stable:
        yield "yellow", f"not stable: {row.result.verdict}"


def _names(models: Sequence[Path]) -> dict[Path, str]:
    """Files by what tells them apart."""
    if len({path.stem for path in models}) == len(set(models)):
        return {path: path.stem for path in models}
    return {path: str(path) for path in models}


# --- sustain --------------------------------------------------------------------------------------


def print_windows(job: Job, windows: "Sequence[BenchWindow] | Exception") -> None:
    """A latency over time, and what became of it."""
    name = f"{job.model.name} on {job.runtime.short}"
    if isinstance(windows, Exception):
        console.print(Text(f"{name}: {windows}", style="red"), soft_wrap=True)
        return
    groups = _grouped(windows)
    medians = [median(window.p50_ms for window in group) for group in groups]
    table = Table(box=None, pad_edge=False, padding=(0, 1), header_style="bold")
    for header in ("time", "median", "p90", ""):
        table.add_column(header, justify="left" if header == "" else "right", no_wrap=True)
    hot = any(window.temperature_c is not None for window in windows)
    clocked = any(window.frequency_mhz is not None for window in windows)
    for header in (*(["heat"] if hot else []), *(["clock"] if clocked else [])):
        table.add_column(header, justify="right", no_wrap=True)
    for group, middle in zip(groups, medians, strict=True):
        last = group[-1]
        table.add_row(
            clock(group[0].at_s),
            milliseconds(middle),
            milliseconds(median(window.p90_ms for window in group)),
            "▇" * round(BAR * middle / max(medians)),
            *([f"{last.temperature_c:.0f} °C" if last.temperature_c is not None else "-"] if hot else []),
            *([f"{last.frequency_mhz:.0f} MHz" if last.frequency_mhz is not None else "-"] if clocked else []),
        )
    console.print(Text(name, style="bold"))
    console.print(table)
    ratio = medians[-1] / medians[0]
    console.print(f"last to first: {ratio:.2f}", style="yellow" if ratio > 1.05 else "")


def _grouped(windows: Sequence[BenchWindow]) -> list[list[BenchWindow]]:
    span = max(LEAST_S, (windows[-1].at_s + 1) / WINDOWS)
    groups: dict[int, list[BenchWindow]] = {}
    for window in windows:
        groups.setdefault(int(window.at_s / span), []).append(window)
    return list(groups.values())
