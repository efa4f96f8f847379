"""What can be done with which kind of network: each model of the zoo through every stage and scheme.

python -m benchmarks zoo [NAME …] [--seconds N] [--gigabytes N] [--rows FILE]; names may be patterns. Each model is
opened, trained and compressed in a process of its own with this limit of time and memory: one that crashes costs the
cells that it has not got to. Weights, samples and labels are random, so no accuracy is shown: what is, is whether each
file is built, holds what its recipe asks for, runs, and computes with XNNPACK what it does with LiteRT's own kernels.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

import psutil

from benchmarks.zoo_models import entries
from benchmarks.zoo_row import COLUMNS, FAULT, OK

SECONDS, GIGABYTES = 900, 8.0
"""Of a model, at most."""

Row = dict[str, str]
"""By column OK or the reason."""


def main(arguments: Sequence[str] = ()) -> int:
    """Prints the matrix as Markdown; 1 where something is our fault."""
    parser = argparse.ArgumentParser("python -m benchmarks zoo", description=__doc__)
    parser.add_argument("names", nargs="*", default=["*"], help="of models, or patterns")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="that a model may take")
    parser.add_argument("--gigabytes", type=float, default=GIGABYTES, help="of memory that a model may take")
    parser.add_argument("--rows", type=Path, help="a file of rows that are there already; new ones are added")
    options = parser.parse_args(arguments)
    rows: dict[str, Row] = json.loads(options.rows.read_text()) if options.rows and options.rows.exists() else {}
    zoo = entries()
    for name in zoo:
        if name not in rows and any(fnmatch(name, pattern) for pattern in options.names):
            rows[name] = in_a_process(name, options.seconds, options.gigabytes)
            if options.rows:
                options.rows.write_text(json.dumps(rows, indent=1))
    print(matrix({name: rows[name] for name in zoo if name in rows}))
    return int(any(reason.startswith(FAULT) for row in rows.values() for reason in row.values()))


def in_a_process(name: str, seconds: float, gigabytes: float) -> Row:
    """The row of a model, made in a process that is ended when it takes more than this."""
    row: Row = {}
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as log:
        child = subprocess.Popen([sys.executable, "-m", "benchmarks.zoo_row", name], stdout=said, stderr=log)
        over = ""
        while child.poll() is None:
            time.sleep(0.3)
            if time.monotonic() - began > seconds:
                over = f"not within {seconds:.0f} s"
            elif _memory(child.pid) > gigabytes * 1e9:
                over = f"takes more than {gigabytes:g} GB"
            if over:
                child.kill()
                child.wait()
        said.seek(0)
        for line in said:
            column, reason = json.loads(line)
            row[column] = reason
        if child.returncode and not over:
            over = f"{FAULT}the process ended with status {child.returncode}"
        if any(reason.startswith(FAULT) for reason in (over, *row.values())):
            log.seek(0)
            print("".join(log.readlines()[-60:]), file=sys.stderr)
    if over:
        row |= {column: over for column in COLUMNS if column not in row}
    bad = "; ".join(f"{column}: {reason}" for column, reason in row.items() if reason != OK)
    print(f"{name} ({time.monotonic() - began:.0f} s): {bad or OK}", file=sys.stderr, flush=True)
    return row


def _memory(process: int) -> int:
    try:
        return int(psutil.Process(process).memory_info().rss)
    except psutil.Error:
        return 0


def matrix(rows: dict[str, Row]) -> str:
    """The table as Markdown, reasons as numbered notes below it."""
    notes: dict[str, int] = {}
    lines = [f"| model | {' | '.join(COLUMNS)} |", f"|{'---|' * (len(COLUMNS) + 1)}"]
    for name, row in rows.items():
        cells = []
        for column in COLUMNS:
            reason = row.get(column, "")
            cells.append(reason if reason in (OK, "") else f"({notes.setdefault(reason, len(notes) + 1)})")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *(f"{number}. {reason}" for reason, number in notes.items())])
