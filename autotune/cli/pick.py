"""The command that takes a file of a study: pick."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.cli.options import FORMAT, Commands, add, add_study, record_of
from autotune.errors import ExitStatus, UserError
from autotune.json_object import JsonObject
from autotune.options.numbers import natural
from autotune.options.table import TRACKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autotune.deploy.pick import Picked
    from autotune.deploy.recheck import Rechecked
    from autotune.deploy.registration import Registration
    from autotune.model.trust import Trust
    from autotune.results.decision import DecisionRule
    from autotune.results.front import MeasuredPoint
    from autotune.results.record import Record
    from autotune.targets.target import Target

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


def add_commands(commands: "Commands") -> None:
    """Adds the parser of this command."""
    pick = commands.add_parser(
        "pick", help="copy the best file and its recipe", description=PICK, formatter_class=FORMAT
    )
    add_study(pick)
    add(pick, "targets")
    pick.add_argument("--by", metavar="RULE", help="one-se (default), knee or weights")
    pick.add_argument("--weights", metavar="NAME=WEIGHT,…", help="of the objectives; means --by weights")
    pick.add_argument("--trial", type=natural, help="take this trial, whatever the rule")
    pick.add_argument("--all-devices", action="store_true", help="the file that serves best on all that have the files")
    pick.add_argument("--no-measure", action="store_true", help="run nothing: hand out the study's numbers")
    add(pick, "custom_objects", "trust")
    pick.add_argument("--register", metavar="NAME", help="also make it a version of this registered model in MLflow")
    pick.add_argument("--alias", metavar="ALIAS", help="of the version that is registered (default: autotune)")
    add(pick, "tracking_uri", help=f"MLflow store to register in (default: $MLFLOW_TRACKING_URI or {TRACKING})")
    pick.add_argument("--out", metavar="DIR", default=".", help="where to put the files (default: here)")
    pick.add_argument("--json", action="store_true", help="print the recipe as JSON")
    pick.set_defaults(command=_pick)


def _pick(arguments: argparse.Namespace) -> int:
    from autotune.results.decision import parse_rule
    from autotune.study.checks import check_writable
    from autotune.targets.target import parse_all, resolve
    from autotune.terminal.study import console

    targets, remarks = parse_all(arguments.targets) if arguments.targets else (None, [])
    registration = _registration(arguments)
    record = record_of(arguments)
    check_writable(Path(arguments.out), "--out")
    rule = parse_rule(arguments.by, arguments.weights, arguments.trial, record.objectives)
    if not arguments.json:
        for remark in remarks:
            console.print(remark, style="yellow", soft_wrap=True)
    resolved = targets and resolve(targets, record.quality)
    return (_pick_together if arguments.all_devices else _pick_one)(arguments, record, resolved, rule, registration)


def _pick_one(
    arguments: argparse.Namespace,
    record: "Record",
    targets: "list[Target] | None",
    rule: "DecisionRule",
    registration: "Registration | None",
) -> int:
    from autotune.deploy.pick import Picked, choose, hand_out
    from autotune.terminal.pick import print_picked
    from autotune.terminal.study import print_nearest

    front, point = choose(record, targets, arguments.trial, rule)
    if point is None:
        print_nearest(front)
        return ExitStatus.UNMET
    if registration is not None:
        registration.check(point)
    picked = Picked(record.begun(), front, point, _rechecked(arguments, record, point), rule)
    file, recipe = hand_out(picked, Path(arguments.out))

    def show() -> None:
        print_picked(picked)
        _print_file(file, recipe["load"])

    return _handed_out(arguments, [picked], file, recipe, show, registration)


def _pick_together(
    arguments: argparse.Namespace,
    record: "Record",
    targets: "list[Target] | None",
    rule: "DecisionRule",
    registration: "Registration | None",
) -> int:
    from autotune.deploy.pick import Picked, choose_together, hand_out_together
    from autotune.ledger.siblings import siblings
    from autotune.terminal.pick import print_nearest_together, print_together

    if arguments.device is not None:
        raise UserError("--all-devices goes without --device: it takes every device that has the files")
    records = siblings(record.folder.parent, record.name)
    together, best = choose_together(records, targets, arguments.trial, rule)
    if best is None:
        print_nearest_together(together)
        return ExitStatus.UNMET
    points = together.on_each(best)
    if registration is not None:
        registration.check(next(iter(points.values())))
    picked = {
        device: Picked(
            records[device], together.fronts[device], point, _rechecked(arguments, records[device], point), rule
        )
        for device, point in points.items()
    }
    file, recipe = hand_out_together(picked, Path(arguments.out))

    def show() -> None:
        print_together(together, rule, picked)
        _print_file(file, "\n\n".join(f"# on {name}\n{its['load']}" for name, its in recipe["devices"].items()))

    return _handed_out(arguments, list(picked.values()), file, recipe, show, registration)


def _handed_out(
    arguments: argparse.Namespace,
    picked: "Sequence[Picked]",
    file: Path,
    recipe: JsonObject,
    show: "Callable[[], None]",
    registration: "Registration | None",
) -> int:
    """Registers the file where that is asked for, and shows all that there is, registered or not.

    Raises:
        Fault: it could not be registered.
    """
    from autotune.terminal.pick import print_registered

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
    return ExitStatus.DONE


def _registration(arguments: argparse.Namespace) -> "Registration | None":
    """How the file is to be registered, None where it is not.

    Raises:
        UserError: it can't be registered so, whatever the file.
    """
    if arguments.register is None and arguments.alias is None:
        return None
    from autotune.deploy.registration import Registration

    return Registration.of(arguments.register, arguments.alias, arguments.tracking_uri)


def _print_file(file: Path, load: str) -> None:
    from autotune.terminal.study import console

    beside = "\n".join(str(file.with_suffix(suffix)) for suffix in (".json", ".md"))
    console.print(f"{file}\n{beside}", style="cyan", soft_wrap=True)
    console.print(f"\n{load}", markup=False, soft_wrap=True)


def _rechecked(arguments: argparse.Namespace, record: "Record", point: "MeasuredPoint") -> "Rechecked":
    """The file once more on the study's device, where that can be found."""
    from autotune.deploy.recheck import Rechecked, recheck_found
    from autotune.terminal.devices import progress

    if arguments.no_measure:
        return Rechecked.unmeasured(record, point)
    with progress() as say:
        return recheck_found(record, point, arguments.device, say, _trust(arguments))


def _trust(arguments: argparse.Namespace) -> "Trust":
    from autotune.model.trust import Trust

    return Trust.of(arguments.trust, arguments.custom_objects or ())
