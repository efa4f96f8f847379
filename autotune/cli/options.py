"""What several commands take: the table's options, as argparse has them."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from autotune.errors import UserError
from autotune.options.table import DEVICE, OPTIONS, SWITCH, RunOptions

if TYPE_CHECKING:
    from autotune.results.record import Record

SHORTHANDS = {
    "--max-latency": "latency<=",
    "--max-size": "size<=",
    "--max-download": "download<=",
    "--min-accuracy": "accuracy>=",
}
"""Of --target, by how what they stand for begins."""


FORMAT = argparse.RawDescriptionHelpFormatter
"""Of commands: their descriptions keep their lines."""

Commands: TypeAlias = "argparse._SubParsersAction[Parser]"
"""What add_subparsers() gives."""


class Parser(argparse.ArgumentParser):
    """Raises UserError for what it can't parse, each command for itself."""

    def parse_known_args(  # type: ignore[override]  # its overloads say no more
        self,
        args: Iterable[str] | None = None,
        namespace: argparse.Namespace | None = None,
    ) -> tuple[argparse.Namespace, list[str]]:
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return parsed, unknown

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} (see {self.prog} --help)")


def add(parser: argparse.ArgumentParser, *names: str, help: str | None = None) -> None:
    """Adds options of the table; with targets come their short forms.

    Args:
        parser: of a command.
        names: of OPTIONS.
        help: in place of the table's, where the command means something else by it.
    """
    for option in (OPTIONS[name] for name in names):
        text = option.help if help is None else help
        if not option.flag:
            parser.add_argument(option.name, nargs="?", metavar=option.metavar, help=text)
        elif option.kind is SWITCH:
            parser.add_argument(option.flag, dest=option.name, action="store_true", help=text)
        else:
            parser.add_argument(
                option.flag,
                dest=option.name,
                action="append" if option.kind.several else "store",
                type=option.kind.number or str,
                metavar=option.metavar,
                help=text,
            )
        if option.name == "targets":
            _add_shorthands(parser)


def _add_shorthands(parser: argparse.ArgumentParser) -> None:
    for flag, start in SHORTHANDS.items():
        parser.add_argument(
            flag,
            dest="targets",
            action="append",
            metavar="BOUND",
            type=f"{start}{{}}".format,
            help=f'the same as --target "{start}BOUND"',
        )


def add_study(parser: argparse.ArgumentParser) -> None:
    """Adds STUDY, --device and --dir."""
    parser.add_argument("study", metavar="STUDY", help="its name")
    parser.add_argument(
        "--device", help=f"of those that its files were measured on (default: the one it searched for); {DEVICE}"
    )
    add(parser, "dir")


def record_of(arguments: argparse.Namespace) -> "Record":
    """The study that is meant, on the device that is meant; where its journal is damaged, stderr has a line on it.

    Raises:
        UserError: there is none.
    """
    from autotune.ledger.siblings import find

    record = find(Path(arguments.dir or RunOptions.dir), arguments.study, arguments.device)
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
