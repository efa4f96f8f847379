"""The commands that take a study that is there: front, report, pick; and the options that they share with run."""

import argparse
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotune.argument_types import natural
from autotune.cli.devices import DEVICE
from autotune.errors import UserError
from autotune.status import DONE, UNMET
from autotune.track.store import TRACKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autotune.choice import Choice
    from autotune.compress.trust import Trust
    from autotune.front import ParetoFront, Point
    from autotune.pick import Picked
    from autotune.record import Record
    from autotune.registration import Registration
    from autotune.study.recheck import Rechecked
    from autotune.target import Target

PICK = """Copy the best file, its recipe (JSON) and a page on it (Markdown) with code that runs it as it was
measured, in Python, in Kotlin on Android, and in C++; and print how to load it.

Best is, of all that meet the targets, by --by:
  one-se    of those within one standard error of the best quality the one with the least product of costs
  knee      the one nearest to the best of every objective at once
  weights   the one with the least loss, weighted by --weights accuracy=2,latency=1,download=1

Objectives are normalised for knee and weights: from 0 for the best file that meets the targets to 1 for the
worst, costs by their logarithm.

The file is measured once more, and evaluated on the test split unless the study has done so; its recipe
says how that compares with the study.

--register makes it a new version of a model in MLflow's registry, which runs it on LiteRT as it was measured,
with --all-devices as on the first of them; --alias points to it from then on.

exit status: 0 handed out, 3 nothing meets the targets, 2 wrong input, or the device refuses the file now,
1 handed out, but not registered."""

REPORT = """Write STUDY.html: the front, what each dimension does, each technique beside the float model, where the
time goes, the device, and how to have each point again. It is one file that works offline. Beside it go the front
and the importance of dimensions as pictures (PNG, 300 dpi)."""

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

    report = commands.add_parser(
        "report", help="write a study as one HTML page, and pictures", description=REPORT, formatter_class=formatter
    )
    _study(report)
    report.add_argument("--out", metavar="DIR", default=".", help="where to put the files (default: here)")
    report.set_defaults(command=_report)

    pick = commands.add_parser(
        "pick", help="copy the best file and its recipe", description=PICK, formatter_class=formatter
    )
    _study(pick)
    add_targets(pick)
    pick.add_argument("--by", metavar="RULE", help="one-se (default), knee or weights")
    pick.add_argument("--weights", metavar="NAME=WEIGHT,…", help="of the objectives; means --by weights")
    pick.add_argument("--trial", type=natural, help="take this trial, whatever the rule")
    pick.add_argument("--all-devices", action="store_true", help="the file that serves best on all that have the files")
    pick.add_argument("--no-measure", action="store_true", help="run nothing: hand out the study's numbers")
    add_trust(pick)
    pick.add_argument("--register", metavar="NAME", help="also make it a version of this registered model in MLflow")
    pick.add_argument("--alias", metavar="ALIAS", help="of the version that is registered (default: autotune)")
    pick.add_argument(
        "--tracking-uri",
        metavar="URI",
        help=f"MLflow store to register in (default: $MLFLOW_TRACKING_URI or {TRACKING})",
    )
    pick.add_argument("--out", metavar="DIR", default=".", help="where to put the files (default: here)")
    pick.add_argument("--json", action="store_true", help="print the recipe as JSON")
    pick.set_defaults(command=_pick)


def _study(parser: argparse.ArgumentParser) -> None:
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


def _front(arguments: argparse.Namespace) -> int:
    record, front = _begun(arguments)
    if arguments.json:
        print(json.dumps(front.to_json(record.meta["device"]), indent=1))
        return DONE
    from autotune.show.study import print_front

    print_front(record, front, everything=arguments.all)
    return DONE


def _report(arguments: argparse.Namespace) -> int:
    from autotune.report.page import write_report
    from autotune.show.study import console
    from autotune.study.importance import importance

    record, _ = _begun(arguments)
    for path in write_report(record, importance(record), Path(arguments.out)):
        console.print(str(path), style="cyan", soft_wrap=True)
    return DONE


def _pick(arguments: argparse.Namespace) -> int:
    from autotune.choice import parse_choice
    from autotune.show.study import console
    from autotune.target import parse_all, resolve

    targets, remarks = parse_all(arguments.target) if arguments.target else (None, [])
    registration = _registration(arguments)
    record = _record(arguments)
    choice = parse_choice(arguments.by, arguments.weights, arguments.trial, record.objectives)
    if not arguments.json:
        for remark in remarks:
            console.print(remark, style="yellow", soft_wrap=True)
    given = targets and resolve(targets, record.quality)
    return (_pick_together if arguments.all_devices else _pick_one)(arguments, record, given, choice, registration)


def _pick_one(
    arguments: argparse.Namespace,
    record: "Record",
    targets: "list[Target] | None",
    choice: "Choice",
    registration: "Registration | None",
) -> int:
    from autotune.pick import Picked, choose, hand_out
    from autotune.show.pick import print_picked
    from autotune.show.study import print_nearest

    front, point = choose(record, targets, arguments.trial, choice)
    if point is None:
        print_nearest(front)
        return UNMET
    if registration is not None:
        registration.check(point)
    picked = Picked(record, front, point, _rechecked(arguments, record, point), choice)
    file, recipe = hand_out(picked, Path(arguments.out))

    def show() -> None:
        print_picked(picked)
        _print_file(file, recipe["load"])

    return _handed_out(arguments, [picked], file, recipe, show, registration)


def _pick_together(
    arguments: argparse.Namespace,
    record: "Record",
    targets: "list[Target] | None",
    choice: "Choice",
    registration: "Registration | None",
) -> int:
    from autotune.pick import Picked, choose_together, hand_out_together
    from autotune.show.pick import print_nearest_together, print_together
    from autotune.study.siblings import siblings

    if arguments.device is not None:
        raise UserError("--all-devices goes without --device: it takes every device that has the files")
    records = siblings(record.folder.parent, record.name)
    found, point = choose_together(records, targets, arguments.trial, choice)
    if point is None:
        print_nearest_together(found)
        return UNMET
    points = found.on_each(point)
    if registration is not None:
        registration.check(next(iter(points.values())))
    picked = {
        device: Picked(records[device], found.fronts[device], one, _rechecked(arguments, records[device], one), choice)
        for device, one in points.items()
    }
    file, recipe = hand_out_together(picked, Path(arguments.out))

    def show() -> None:
        print_together(found, choice, picked)
        _print_file(file, "\n\n".join(f"# on {name}\n{one['load']}" for name, one in recipe["devices"].items()))

    return _handed_out(arguments, list(picked.values()), file, recipe, show, registration)


def _handed_out(
    arguments: argparse.Namespace,
    picked: "Sequence[Picked]",
    file: Path,
    recipe: dict[str, Any],
    show: "Callable[[], None]",
    registration: "Registration | None",
) -> int:
    """Registers the file where that is asked for, and shows all that there is, registered or not.

    Raises:
        Fault: it could not be registered.
    """
    from autotune.show.pick import print_registered

    try:
        if registration is not None:
            registration.register(picked, file, recipe, _trust(arguments))
    finally:
        if arguments.json:
            print(json.dumps(recipe, indent=1))
        else:
            show()
            if recipe.get("registered"):
                print_registered(recipe["registered"])
    return DONE


def _registration(arguments: argparse.Namespace) -> "Registration | None":
    """Raises:
    UserError: it can't be registered so, whatever the file.
    """
    if arguments.register is None and arguments.alias is None:
        return None
    from autotune.registration import Registration

    return Registration.of(arguments.register, arguments.alias, arguments.tracking_uri)


def _print_file(file: Path, load: str) -> None:
    from autotune.show.study import console

    beside = "\n".join(str(file.with_suffix(suffix)) for suffix in (".json", ".md"))
    console.print(f"{file}\n{beside}", style="cyan", soft_wrap=True)
    console.print(f"\n{load}", markup=False, soft_wrap=True)


def _rechecked(arguments: argparse.Namespace, record: "Record", point: "Point") -> "Rechecked":
    """The file once more on the study's device, where that can be found."""
    from autotune.show.devices import progress
    from autotune.study.recheck import Rechecked, recheck_found

    if arguments.no_measure:
        return Rechecked.unmeasured(record, point)
    with progress() as say:
        return recheck_found(record, point, arguments.device, say, _trust(arguments))


def _trust(arguments: argparse.Namespace) -> "Trust":
    from autotune.compress.trust import Trust

    return Trust.of(arguments.trust, arguments.custom_objects or ())


def _begun(arguments: argparse.Namespace) -> "tuple[Record, ParetoFront]":
    """As _record(), with its front.

    Raises:
        UserError: there is none.
    """
    record = _record(arguments)
    front = record.front()
    if front is None:
        raise UserError(f"study {record.name!r} has no trials yet; run it first")
    return record, front


def _record(arguments: argparse.Namespace) -> "Record":
    """The study that is meant, on the device that is meant.

    Raises:
        UserError: there is none.
    """
    from autotune.experiment import FOLDER
    from autotune.study.siblings import find

    return find(Path(arguments.dir or FOLDER), arguments.study, arguments.device)
