"""The commands that have to do with MLflow: sync, ui."""

import argparse
import os
import socket
import sys
from pathlib import Path

from autotune.cli.options import FORMAT, Commands, add, warn_of_damage, warn_of_lost_files
from autotune.errors import ExitStatus, UserError
from autotune.options.numbers import positive
from autotune.options.table import TRACKING, RunOptions
from autotune.track.environment import at_import
from autotune.track.store import hidden, mlflow_uri, tracker_of, tracking_uri

HOST = "127.0.0.1"

STORE = f"MLflow store (default: $MLFLOW_TRACKING_URI or {TRACKING})"

JOBS = "MLFLOW_SERVER_ENABLE_JOB_EXECUTION"
"""Of MLflow's server: several more processes, which are not for such studies, and outlive it by some seconds."""

PAGE = "#/experiments?workflowType=machine_learning"
"""Of MLflow's UI, which begins with pages on language models otherwise."""

SYNC = """Bring MLflow up to what the study knows, on every device that its files were measured on.

A run does so by itself. What it could not write, where the tracking server was not there, this makes up for;
a study can also be shown in another store. What is there already is left as it is.

exit status: 0 done, 1 the store can't be reached, 2 wrong input."""


def add_commands(commands: Commands) -> None:
    """Adds the parsers of these commands."""
    sync = commands.add_parser(
        "sync", help="bring MLflow up to what a study knows", description=SYNC, formatter_class=FORMAT
    )
    sync.add_argument("study", metavar="STUDY", help="its name")
    add(sync, "dir")
    add(sync, "tracking_uri", help=STORE)
    sync.set_defaults(command=_sync)

    ui = commands.add_parser("ui", help="open the MLflow UI on loopback", formatter_class=FORMAT)
    add(ui, "tracking_uri", help=STORE)
    ui.add_argument("--port", type=positive, default=5000, help="(default: 5000)")
    ui.set_defaults(command=_ui)


def _sync(arguments: argparse.Namespace) -> int:
    from contextlib import ExitStack

    from autotune.ledger import journal, siblings

    uri = tracking_uri(arguments.tracking_uri)
    if uri is None:
        raise UserError("--tracking-uri none: there is nowhere to write to")
    records = siblings.siblings(Path(arguments.dir or RunOptions.dir), arguments.study)
    if not records:
        raise UserError(f"study {arguments.study!r} has no trials yet; run it first")
    tracker = tracker_of(uri)
    with ExitStack() as held:
        for record in records.values():  # whoever runs it writes to MLflow, too
            held.enter_context(journal.exclusive(record.folder, record.name))
        for record in records.values():
            warn_of_damage(record)
            warn_of_lost_files(record)
            written = tracker.finish(record)
            runs = 1 + len(record.points)
            print(f"study {record.name}: {written} runs written, {runs - written} were there already")
    return ExitStatus.DONE


def _ui(arguments: argparse.Namespace) -> int:
    uri = mlflow_uri(arguments.tracking_uri)
    if uri is None:
        raise UserError("--tracking-uri none: there is nothing to show")
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists():
        raise UserError(f"no MLflow store {uri}; run a study here first, or give --tracking-uri")
    if uri.startswith(("http://", "https://")):
        print(f"the tracking server shows it: {hidden(uri)}")
        return ExitStatus.DONE
    _check_port(arguments.port)
    port = str(arguments.port)
    command = [sys.executable, "-m", "mlflow", "ui", "--host", HOST, "--port", port]
    command += ["--workers", "1"]  # for one person; it is there sooner
    environment = {JOBS: "false"} | at_import() | os.environ
    environment["MLFLOW_BACKEND_STORE_URI"] = uri  # a password in a command line is seen by all
    print(f"MLflow UI of {hidden(uri)}: http://{HOST}:{port}/{PAGE} (Ctrl-C ends it)", flush=True)
    os.execve(sys.executable, command, environment)  # noqa: S606  # no shell is wanted


def _check_port(port: int) -> None:
    """Tries to listen on the port.

    Raises:
        UserError: nothing can listen there.
    """
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that was just left is free
            probe.bind((HOST, port))
    except (OSError, OverflowError) as error:
        reason = error.strerror.lower() if isinstance(error, OSError) and error.strerror else "there is no such port"
        raise UserError(f"--port {port}: {reason}; choose another --port") from error
