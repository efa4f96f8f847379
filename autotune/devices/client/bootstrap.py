"""The set-up program: makes the Python on a board that the runner works with, once.

One file that needs only the board's own python3 (3.9). It is sent through ssh.

    board.py FOLDER     makes the virtual environment FOLDER/venv unless it is there
    board.py            only looks whether the Python that runs it has what the runner needs

It says on stdout, each on a line of its own after "autotune ": "status TEXT", as often as there is
something to tell, and at last "python PATH" or "error TEXT".
"""

import fcntl
import importlib.util
import subprocess
import sys
from pathlib import Path

PACKAGES = {
    "ai_edge_litert": ["ai-edge-litert", "numpy"],
    "tflite_runtime": ["tflite-runtime", "numpy<2"],
}
"""What to install for each module that has LiteRT's interpreter, best first."""

OLDEST = (3, 9)

REMEDY = "or make a Python with ai-edge-litert and numpy there yourself and name it by python: in the device file"


class Failure(Exception):
    """The board can't be set up as it is; the message says why and what to do, in one line."""


def say(kind: str, text: str) -> None:
    sys.stdout.write(f"autotune {kind} {text}\n")
    sys.stdout.flush()


def check() -> None:
    """Looks at the Python that runs this."""
    if sys.version_info < OLDEST:
        has, oldest = (".".join(map(str, numbers)) for numbers in (sys.version_info[:3], OLDEST))
        raise Failure(f"{sys.executable} there is Python {has}, and {oldest} is needed: name a newer one by python:")


def complete() -> None:
    """Looks whether it has what the runner needs."""
    if not importlib.util.find_spec("numpy") or not any(map(importlib.util.find_spec, PACKAGES)):
        raise Failure(f"{sys.executable} there has no numpy or no ai-edge-litert: install them, or leave out python:")


def environment(folder: Path) -> str:
    """The Python of FOLDER/venv, made where it isn't complete. Two that come at once take turns.

    The marker is written last, so what was broken off is taken up again; a Python that the board
    has had since makes it anew.
    """
    place = folder / "venv"
    python = place / "bin" / "python"
    marker = place / "ready-{}.{}".format(*sys.version_info)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "setup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("status", "waiting for another that sets it up")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not marker.exists():
            say("status", f"making a virtual environment in {place}")
            make(place, lock.fileno())
            marker.write_text(install(python, lock.fileno()))
    return str(python)


def make(place: Path, lock: int) -> None:
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        raise Failure(f"python3 there has no venv: install it (Debian: sudo apt install python3-venv), {REMEDY}")
    said = failed([sys.executable, "-m", "venv", str(place)], lock)
    if said is not None:
        raise Failure(f"no virtual environment can be made in {place}: {last(said)}")


def install(python: Path, lock: int) -> str:
    """Installs the first runtime that works there, and gives its module."""
    pip = [
        str(python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        "--retries",
        "2",
    ]
    reasons = []
    for module, packages in PACKAGES.items():
        say("status", f"installing {packages[0]} and numpy")
        said = failed([*pip, "--only-binary", ":all:", *packages], lock)
        if said is None:
            said = failed([str(python), "-c", f"import numpy; from {module} import interpreter"], lock)
        if said is None:
            return module
        if "Retrying (" in said:
            raise Failure(f"pip reaches no package index from there: connect the board to a network, {REMEDY}")
        reasons.append(f"{packages[0]}: {last(said)}")
    raise Failure(f"LiteRT can't be installed there ({'; '.join(reasons)}): use a newer python3, {REMEDY}")


def failed(command: "list[str]", lock: int) -> "str | None":
    """Runs a command: None where it went well, else what it said. It keeps the lock for as long as it runs."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, pass_fds=[lock]
    )
    return done.stdout.decode(errors="replace") if done.returncode else None


def last(said: str) -> str:
    """The last line of what a command said, of its errors where it names some."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["it said nothing"])[-1][:200]


def main(*folder: str) -> int:
    try:
        check()
        if folder:
            python = environment(Path(folder[0]).expanduser())
        else:
            complete()
            python = sys.executable
    except (Failure, OSError) as failure:
        say("error", " ".join(str(failure).split()))
        return 1
    say("python", python)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
