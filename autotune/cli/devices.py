"""The commands that take a device instead of a study: devices, bench, profile."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.cli.options import FORMAT, Commands
from autotune.errors import AutotuneError, ExitStatus, Fault, Infeasible, UserError
from autotune.json_object import JsonObject
from autotune.options.numbers import cpus, duration, load, threads, threads_or_all
from autotune.options.table import DEVICE, LOCAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autotune.devices.device import Device
    from autotune.measure.bench import BenchRow, BenchWindow
    from autotune.measure.rounds import Job
    from autotune.results.profile import OperatorTime

BENCH = """Measure .tflite files as they are, side by side, in interleaved rounds, while nobody else measures there.

examples:
  autotune bench float.tflite int8.tflite
  autotune bench model.tflite --delegate all --threads all --device ssh:pi@board
  autotune bench model.tflite --sustain 60s

A latency is that of one inference with inputs written and outputs read back. Its interval is one of 95 %.

exit status: 0 something was measured, 2 wrong input, or no file runs there, 1 the device's fault or ours."""

PROFILE = """What each operator of a .tflite file takes, where the runtime tells, and what it computes, keeps and moves.

MACs are multiply-accumulates with weights, params are weights, "in + out" tensors that are computed; GMAC/s is
the first by the time. What a delegate fuses or adds is no operator of the file.

A trace opens in Perfetto (ui.perfetto.dev) and in chrome://tracing."""

DEVICES = """List devices and try them: this machine, attached phones, the device files in devices/; or those named.

Each delegate is tried with a tiny model. exit status: 0, or 2 where a device that was named can't be used."""


def add_commands(commands: Commands) -> None:
    """Adds the parsers of these commands."""
    bench = commands.add_parser(
        "bench", help="measure .tflite files on a device", description=BENCH, formatter_class=FORMAT
    )
    bench.add_argument("models", nargs="+", metavar="MODEL.tflite")
    _device(bench)
    bench.add_argument(
        "--delegate", action="append", default=[], metavar="NAME", help="or all; may be repeated (default: the first)"
    )
    bench.add_argument(
        "--threads",
        action="append",
        default=[],
        type=threads_or_all,
        metavar="N",
        help="or all; may be repeated (default: 1)",
    )
    bench.add_argument("--cpus", type=cpus, metavar="LIST", help="to run on, such as 0,2-3 (default: any)")
    bench.add_argument(
        "--sustain", type=duration, metavar="TIME", help="run each on end for so long and show its latency over time"
    )
    bench.add_argument("--load", type=load, default=0, metavar="N", help="keep so many cores busy meanwhile")
    bench.add_argument("--json", action="store_true")
    bench.set_defaults(command=_bench)

    profile = commands.add_parser(
        "profile", help="show where a .tflite file's time goes", description=PROFILE, formatter_class=FORMAT
    )
    profile.add_argument("model", metavar="MODEL.tflite")
    _device(profile)
    profile.add_argument("--delegate", metavar="NAME", help="(default: the device's first)")
    profile.add_argument("--threads", type=threads, default=1, metavar="N", help="(default: 1)")
    profile.add_argument("--trace", type=Path, metavar="FILE", help="write what was timed as a trace")
    profile.add_argument("--json", action="store_true")
    profile.set_defaults(command=_profile)

    devices = commands.add_parser("devices", help="list and check devices", description=DEVICES, formatter_class=FORMAT)
    devices.add_argument("devices", nargs="*", metavar="DEVICE", help=f"{DEVICE} (default: all there are)")
    devices.add_argument("--json", action="store_true")
    devices.set_defaults(command=_devices)


def _device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default=LOCAL, help=DEVICE)


def _devices(arguments: argparse.Namespace) -> int:
    from autotune.devices.discovery import devices, look
    from autotune.terminal.devices import print_seen, progress

    named = list(dict.fromkeys(arguments.devices))
    every = []
    for name in named or devices():
        with progress() as say:
            say(f"trying {name}")
            every.append(look(name))
        if not arguments.json:
            print_seen(every[-1])
    if arguments.json:
        _print_json([seen.to_json() for seen in every])
    return ExitStatus.INPUT if named and any(seen.reason for seen in every) else ExitStatus.DONE


def _bench(arguments: argparse.Namespace) -> int:
    from autotune.devices.device_file import find_device
    from autotune.measure.bench import bench, bench_findings, read_tflite, runtimes
    from autotune.measure.rounds import Job
    from autotune.terminal.devices import print_rows, progress

    models = [Path(model) for model in dict.fromkeys(arguments.models)]
    for model in models:
        read_tflite(model)
    device = find_device(arguments.device, **({"cpus": arguments.cpus} if arguments.cpus else {}))
    with progress() as say:
        say(f"trying {arguments.device}")
        ways = runtimes(device, arguments.delegate, arguments.threads)
    jobs = [Job(model, runtime) for model in models for runtime in ways]
    if arguments.sustain:
        return _sustain(arguments, device, jobs)
    with progress() as say:
        rows = bench(device, jobs, say, arguments.load)
    findings = bench_findings(rows)
    facts = device.facts()
    if arguments.json:
        _print_json({"device": facts.to_json(), "results": [_row(row) for row in rows], "findings": findings})
    else:
        print_rows(rows, findings, facts, arguments.load)
    return _status([row.result for row in rows])


def _row(row: "BenchRow") -> JsonObject:
    what = {"model": str(row.model), **asdict(row.runtime)}
    if isinstance(row.result, Exception):
        state = "refused" if isinstance(row.result, Infeasible) else "failed"
        return {**what, "state": state, "reason": str(row.result)}
    return {**what, "state": "measured", **row.result.to_json()}


def _sustain(arguments: argparse.Namespace, device: "Device", jobs: "Sequence[Job]") -> int:
    from autotune.measure.bench import sustain
    from autotune.terminal.devices import print_windows, progress

    results: list[list[BenchWindow] | Infeasible | Fault] = []
    for job in jobs:
        with progress() as say:
            try:
                results.append(sustain(device, job, arguments.sustain, say, arguments.load))
            except (Infeasible, Fault) as error:
                results.append(error)
        if not arguments.json:
            print_windows(job, results[-1])
    if arguments.json:
        lines = [_lasted(*pair) for pair in zip(jobs, results, strict=True)]
        _print_json({"device": device.facts().to_json(), "results": lines})
    return _status(results)


def _lasted(job: "Job", result: "list[BenchWindow] | Infeasible | Fault") -> JsonObject:
    what = {"model": str(job.model), **asdict(job.runtime)}
    if isinstance(result, Exception):
        return {**what, "reason": str(result)}
    return {**what, "windows": [asdict(window) for window in result]}


def _profile(arguments: argparse.Namespace) -> int:
    from autotune.devices.device_file import find_device
    from autotune.measure.bench import read_tflite, runtimes
    from autotune.measure.profile import profile
    from autotune.terminal.devices import progress
    from autotune.terminal.profile import print_profile

    model = Path(arguments.model)
    read_tflite(model)
    device = find_device(arguments.device)
    if arguments.trace:
        _check_trace(arguments.trace)
    with progress() as say:
        say(f"trying {arguments.device}")
        delegate = [arguments.delegate] if arguments.delegate else []
        [runtime] = runtimes(device, delegate, [arguments.threads])
        profiled = profile(device, model, runtime, say)
    title = f"{model.name} on {device.name}, {runtime.short}"
    if arguments.json:
        _print_json({"device": device.facts().to_json(), **asdict(runtime), **asdict(profiled)})
    else:
        print_profile(title, profiled)
    if arguments.trace:
        _write_trace(arguments.trace, profiled.times, title)
    return ExitStatus.DONE


def _check_trace(path: Path) -> None:
    """Holds a trace's path against the disk before anything is measured.

    Raises:
        UserError: nothing can be written there.
    """
    from autotune.study.checks import check_writable

    if path.is_dir() or not path.parent.is_dir():
        raise UserError(f"--trace {path}: {'a folder' if path.is_dir() else 'no such folder'}; name a file")
    check_writable(path.parent, "--trace")


def _write_trace(path: Path, times: "Sequence[OperatorTime]", title: str) -> None:
    """Writes a trace of a profile.

    Raises:
        UserError: there are no times, or no such place.
    """
    from autotune.measure.trace import trace_json

    if not times:
        raise UserError(f"--trace {path}: not written, since there are no times")
    try:
        path.write_text(json.dumps(trace_json(times, title)))
    except OSError as error:
        raise UserError(f"--trace {path}: can't be written: {error.strerror}") from error


def _status(results: "Sequence[object]") -> int:
    """Done where anything was measured; else by what stood in the way: with nothing to measure, the input."""
    statuses = {result.exit_status if isinstance(result, AutotuneError) else ExitStatus.DONE for result in results}
    best = (status for status in (ExitStatus.DONE, ExitStatus.FAULT) if status in statuses)
    return next(best, ExitStatus.INPUT)


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=1))
