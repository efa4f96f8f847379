"""What several commands take."""

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.cli.devices import DEVICE

if TYPE_CHECKING:
    from autotune.results.record import Record

SHORTHANDS = {
    "--max-latency": "latency<=",
    "--max-size": "size<=",
    "--max-download": "download<=",
    "--min-accuracy": "accuracy>=",
}


def add_study(parser: argparse.ArgumentParser) -> None:
    """Adds STUDY, --device and --dir."""
    parser.add_argument("study", metavar="STUDY", help="its name")
    parser.add_argument(
        "--device", help=f"of those that its files were measured on (default: the one it searched for); {DEVICE}"
    )
    add_folder(parser)


def add_folder(parser: argparse.ArgumentParser) -> None:
    """Adds --dir."""
    parser.add_argument("--dir", metavar="DIR", help="that holds the studies (default: runs)")


def add_trust(parser: argparse.ArgumentParser) -> None:
    """Adds --custom-objects and --trust."""
    parser.add_argument(
        "--custom-objects", action="append", metavar="MODULE", help="a .py file or module that registers custom classes"
    )
    parser.add_argument("--trust", action="store_true", help="let the model file run code of its own (Lambda layers)")


def add_targets(parser: argparse.ArgumentParser) -> None:
    """Adds --target and its short forms."""
    add = partial(parser.add_argument, dest="target", action="append")
    add("--target", metavar="EXPR", help='to meet, such as "latency<50ms"; may be repeated')
    for option, start in SHORTHANDS.items():
        add(option, metavar="BOUND", type=f"{start}{{}}".format, help=f'the same as --target "{start}BOUND"')


def record_of(arguments: argparse.Namespace) -> "Record":
    """The study that is meant, on the device that is meant; where its journal is damaged, stderr has a line on it.

    Raises:
        UserError: there is none.
    """
    from autotune.experiment import FOLDER
    from autotune.ledger.siblings import find

    record = find(Path(arguments.dir or FOLDER), arguments.study, arguments.device)
    warn_of_damage(record)
    return record


def warn_of_damage(record: "Record") -> None:
    """A line on stderr where not all of a study could be read."""
    if record.damage is not None:
        print(f"autotune: {record.damage}", file=sys.stderr)


def warn_of_lost_files(record: "Record") -> None:
    """A line on stderr for each file of the front that is damaged."""
    from autotune.study.measured_file import lost_files

    for line in lost_files(record):
        print(f"autotune: {line}", file=sys.stderr)
