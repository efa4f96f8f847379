"""The commands that take a study that is there: front, pick; and the options that they share with run."""

import argparse
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotune.argument_types import natural
from autotune.cli_devices import DEVICE
from autotune.errors import UserError
from autotune.status import DONE, UNMET

if TYPE_CHECKING:
    from autotune.choice import Choice
    from autotune.front import Point
    from autotune.record import Record
    from autotune.study.recheck import Rechecked

PICK = """Copy the best file and its recipe side by side, and print how to load it.

Best is, of all that meet the targets, by --by:
  one-se    of those within one standard error of the best quality the one with the least product of costs
  knee      the one nearest to the best of every objective at once
  weights   the one with the least loss, weighted by --weights accuracy=2,latency=1,download=1

Objectives are normalised for knee and weights: from 0 for the best file that meets the targets to 1 for the
worst, costs by their logarithm.

The file is measured once more, and evaluated on the test split unless the study has done so; its recipe
says how that compares with the study.

exit status: 0 handed out, 3 nothing meets the targets, 2 wrong input, or the device refuses the file now."""

SHORTHANDS = {
    "--max-latency": "latency<=",
    "--max-size": "size<=",
    "--max-download": "download<=",
    "--min-accuracy": "accuracy>=",
}


def add_commands(commands: Any, formatter: Any) -> None:
    """Adds the parsers of these commands.

    Args:
        commands: what argparse's add_subparsers() gives.
        formatter: their formatter_class.
    """
    front = commands.add_parser("front", help="show a study's Pareto front", formatter_class=formatter)
    _study(front)
    front.add_argument("--json", action="store_true", help="as a JSON list")
    front.add_argument("--all", action="store_true", help="points that miss a target, too")
    front.set_defaults(command=_front)

    pick = commands.add_parser(
        "pick", help="copy the best file and its recipe", description=PICK, formatter_class=formatter
    )
    _study(pick)
    add_targets(pick)
    pick.add_argument("--by", metavar="RULE", help="one-se (default), knee or weights")
    pick.add_argument("--weights", metavar="NAME=WEIGHT,…", help="of the objectives; means --by weights")
    pick.add_argument("--trial", type=natural, help="take this trial, whatever the rule")
    pick.add_argument("--device", help=f"the study's, where it is called otherwise by now: {DEVICE}")
    pick.add_argument("--no-measure", action="store_true", help="run nothing: hand out the study's numbers")
    add_trust(pick)
    pick.add_argument("--out", metavar="DIR", default=".", help="where to put the files (default: here)")
    pick.add_argument("--json", action="store_true", help="print the recipe as JSON")
    pick.set_defaults(command=_pick)


def _study(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY", help="its name")
    add_folder(parser)


def add_folder(parser: argparse.ArgumentParser) -> None:
    """Adds --dir."""
    parser.add_argument("--dir", metavar="DIR", help="that holds the studies (default: runs)")


def add_trust(parser: argparse.ArgumentParser) -> None:
    """Adds --register and --trust."""
    parser.add_argument(
        "--register", action="append", metavar="MODULE", help="a .py file or module that registers custom classes"
    )
    parser.add_argument("--trust", action="store_true", help="let the model file run code of its own (Lambda layers)")


def add_targets(parser: argparse.ArgumentParser) -> None:
    """Adds --target and its short forms."""
    add = partial(parser.add_argument, dest="target", action="append")
    add("--target", metavar="EXPR", help='to meet, such as "latency<50ms"; may be repeated')
    for option, start in SHORTHANDS.items():
        add(option, metavar="BOUND", type=f"{start}{{}}".format, help=f'the same as --target "{start}BOUND"')


def _front(arguments: argparse.Namespace) -> int:
    record = _record(arguments)
    front = record.front()
    if front is None:
        raise UserError(f"study {record.name!r} has no trials yet; run it first")
    if arguments.json:
        print(json.dumps(front.to_json(record.meta["device"]), indent=1))
        return DONE
    from autotune.show import print_front

    print_front(record, front, everything=arguments.all)
    return DONE


def _pick(arguments: argparse.Namespace) -> int:
    from autotune.pick import choose, hand_out
    from autotune.show import console, print_nearest
    from autotune.show_pick import print_picked
    from autotune.target import parse_all, resolve

    targets, remarks = parse_all(arguments.target) if arguments.target else (None, [])
    record = _record(arguments)
    choice = _choice(arguments, record)
    front, point = choose(record, targets and resolve(targets, record.quality), arguments.trial, choice)
    if point is None:
        print_nearest(front)
        return UNMET
    found = _rechecked(arguments, record, point)
    file, recipe = hand_out(record, front, point, Path(arguments.out), choice, found)
    if arguments.json:
        print(json.dumps(recipe, indent=1))
        return DONE
    for remark in remarks:
        console.print(remark, style="yellow", soft_wrap=True)
    print_picked(record, front, point, choice, found)
    console.print(f"{file}\n{file.with_suffix('.json')}", style="cyan", soft_wrap=True)
    console.print(f"\n{recipe['load']}", markup=False, soft_wrap=True)
    return DONE


def _choice(arguments: argparse.Namespace, record: "Record") -> "Choice":
    """Raises:
    UserError: --by, --weights and --trial say different things.
    """
    from autotune.choice import ONE_SE, RULES, TRIAL, WEIGHTS, Choice, parse_weights

    by, weights = arguments.by, arguments.weights
    if by is not None and by not in RULES:
        raise UserError(f"--by {by!r} is unknown; known are {', '.join(RULES)}")
    if arguments.trial is not None:
        if by or weights:
            raise UserError(f"--trial goes without {'--weights' if weights else '--by'}: it names the file itself")
        return Choice(TRIAL)
    if weights is None:
        if by == WEIGHTS:
            raise UserError(f"--by {WEIGHTS} needs --weights, such as {record.quality.name}=2,latency=1")
        return Choice(by or ONE_SE)
    if by not in (None, WEIGHTS):
        raise UserError(f"--weights go with --by {WEIGHTS}, not with --by {by}")
    return Choice(WEIGHTS, parse_weights(weights, record.objectives))


def _rechecked(arguments: argparse.Namespace, record: "Record", point: "Point") -> "Rechecked":
    """The file once more on the study's device, where that can be found."""
    from autotune.compress.trust import Trust
    from autotune.compress.worker import start
    from autotune.devices.device_file import load_device
    from autotune.show_devices import progress
    from autotune.study.pool import RayPool
    from autotune.study.recheck import UNMEASURED, Rechecked, recheck

    if arguments.no_measure:
        return Rechecked.unmeasured(record, point)
    try:
        device = load_device(
            arguments.device or record.meta["options"].get("device") or record.meta["device"]["device"]
        )
    except UserError as error:
        if arguments.device:
            raise
        return Rechecked.unmeasured(record, point, f"{UNMEASURED}: {error}; see --device")
    modules = (str(Path(name).resolve()) if name.endswith(".py") else name for name in arguments.register or ())
    trust = Trust(arguments.trust, tuple(modules))
    pool = RayPool(1, partial(start, trust=trust))
    try:
        with progress() as say:
            return recheck(record, point, device, say, pool, trust)
    finally:
        pool.close()


def _record(arguments: argparse.Namespace) -> "Record":
    from autotune.experiment import FOLDER
    from autotune.study.journal import read

    folder = Path(arguments.dir or FOLDER)
    return read(folder / arguments.study, arguments.study)
