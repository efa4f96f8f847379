"""The command line: parses, resolves plug-ins, calls the study."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from autotune.cli import devices, pick, streams, study, track
from autotune.cli.options import FORMAT, Parser, add
from autotune.errors import AutotuneError, ExitStatus, UserError
from autotune.options.table import OPTIONS
from autotune.process.environment import homeless, variables
from autotune.process.interrupts import in_order, reason_of, status_of
from autotune.targets.metric import JUDGED, QUALITIES
from autotune.track.store import hidden, tracking_uri

if TYPE_CHECKING:
    from autotune.terminal.lines import QuietOutput


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit status.

    Args:
        argv: its words; None for those of this process, which is the command's own then.
    """
    if argv is None:
        streams.secure()
    arguments = argparse.Namespace(command=None)
    try:
        with in_order(restore=argv is not None), variables(homeless()):
            _parser().parse_args(argv, arguments)
            status: int = arguments.command(arguments)
            return status
    except KeyboardInterrupt as error:
        _say(reason_of(error))
        return status_of(error)
    except (AutotuneError, OSError) as error:
        goes_on = arguments.command is _run and not isinstance(error, UserError)
        _say(f"{error}; finished trials are kept, and the same command goes on" if goes_on else str(error))
        return status_of(error)


def _say(text: str) -> None:
    print(f"autotune: {hidden(text)}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="autotune",
        description="Finds the best way to ship a Keras model on a device: the Pareto front of accuracy, "
        "latency and size, every point a .tflite file that was really built and measured.",
        epilog="autotune COMMAND --help says what a command takes. Where to read on: docs/index.md, "
        "or site/index.html after make docs.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)

    run = commands.add_parser("run", help="search, build and measure", description=RUN, formatter_class=FORMAT)
    add(run, *OPTIONS)
    shown = run.add_mutually_exclusive_group()
    shown.add_argument("--quiet", action="store_true", help="show the end result alone")
    shown.add_argument("--plain", action="store_true", help="a line a trial, as where there is no terminal")
    shown.add_argument("--json", action="store_true", help="a JSON line an event (docs/json.md)")
    run.set_defaults(command=_run)

    for module in (study, pick, devices, track):
        module.add_commands(commands)
    return parser


RUN = f"""Search, build and measure.

example:
  autotune run --model model.keras --data data.npz --target "latency<50ms" --target "accuracy>=baseline-1%"

targets: METRIC<BOUND with the task's metric ({", ".join((*QUALITIES, *JUDGED))}; "quality" stands for any),
latency, latency_p90, size, download; units us, ms, s, B, kB, MB, KiB, MiB, %; bounds may be relative:
baseline-1%, baseline*0.5, 50%*baseline. Quote them: the shell takes < and > for redirections. latency=50ms
and --max-latency 50ms mean the same as "latency<=50ms". A target is met where its 95 % interval is on
the right side of the bound, not the value alone.

spaces, of what is tried; docs/spaces.md has every dimension:
  full           all that can be done to a model, with and without training
  quick          a few of each kind of technique, for a first look
  post_training  without training and without labels, a file in seconds
  edge_tpu       for accelerators that compute in integers alone
  android        for phones: XNNPACK, GPU, NNAPI and Hexagon

objectives: quality, latency and download, unless --objective says otherwise; size takes the place of
download where a target is on size and none on download, and memory joins them where a target is on it.

exit status: 0 done and targets met, 3 done and nothing meets them, 2 wrong input, 1 our fault; 130, 143, 129 ended
by Ctrl-C, SIGTERM, SIGHUP, with what was found."""


def _run(arguments: argparse.Namespace) -> int:
    from autotune.experiment import settings_of

    settings = settings_of(vars(arguments))  # before the heavier imports: most mistakes are found here
    from autotune.launch import launch, workers
    from autotune.terminal.noise import out_of_sight

    uri = tracking_uri(settings.values.tracking_uri)
    output = _output(arguments, workers(settings))
    with output, out_of_sight(output.note):
        summaries = launch(settings, output, uri)
    met = all(summary.record.front().pick() is not None for summary in summaries)
    status: int = ExitStatus.DONE if met else ExitStatus.UNMET
    status = next((summary.ended for summary in summaries if summary.ended is not None), status)
    output.end(summaries, None if uri is None else hidden(uri), status)
    return status


def _output(arguments: argparse.Namespace, jobs: int) -> "QuietOutput":
    """What shows a run: a view that is drawn anew where there is a terminal for it, else lines."""
    from autotune.terminal.lines import JsonOutput, PlainOutput, QuietOutput
    from autotune.terminal.progress import LiveOutput
    from autotune.terminal.study import console

    if arguments.json:
        return JsonOutput(sys.stdout)
    if arguments.quiet:
        return QuietOutput()
    if arguments.plain or not console.is_interactive or os.environ.get("CI"):
        return PlainOutput()
    return LiveOutput(jobs, arguments.timeout)
