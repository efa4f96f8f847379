"""The commands that show a study that is there: front, report."""

import argparse
import json
from pathlib import Path

from autotune.cli.options import FORMAT, Commands, add_study, record_of, warn_of_lost_files
from autotune.errors import ExitStatus

REPORT = """Write STUDY.html: the front, what each dimension does, each technique beside the float model, where the
time goes, the device, and how to have each point again. It is one file that works offline. Beside it go the front
and the importance of dimensions as pictures (PNG, 300 dpi)."""


def add_commands(commands: Commands) -> None:
    """Adds the parsers of these commands."""
    front = commands.add_parser("front", help="show a study's Pareto front", formatter_class=FORMAT)
    add_study(front)
    front.add_argument("--json", action="store_true", help="as a JSON list")
    front.add_argument("--all", action="store_true", help="points that miss a target, too")
    front.set_defaults(command=_front)

    report = commands.add_parser(
        "report", help="write a study as one HTML page, and pictures", description=REPORT, formatter_class=FORMAT
    )
    add_study(report)
    report.add_argument("--out", metavar="DIR", default=".", help="where to put the files (default: here)")
    report.set_defaults(command=_report)


def _front(arguments: argparse.Namespace) -> int:
    record = record_of(arguments).begun()
    front = record.front()
    warn_of_lost_files(record)
    if arguments.json:
        print(json.dumps(front.to_json(record.meta.device), indent=1))
        return ExitStatus.DONE
    from autotune.terminal.study import print_front

    print_front(record, front, everything=arguments.all)
    return ExitStatus.DONE


def _report(arguments: argparse.Namespace) -> int:
    from autotune.ledger.importance import importance
    from autotune.report.page import write_report
    from autotune.terminal.study import console

    record = record_of(arguments).begun()
    warn_of_lost_files(record)
    for path in write_report(record, importance(record), Path(arguments.out)):
        console.print(str(path), style="cyan", soft_wrap=True)
    return ExitStatus.DONE
