"""Answers a request in a child process, so that no file can end the runner."""

import ctypes
import os
import select
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from autotune.devices.runner.frames import read_frame, write_frame
from autotune.devices.runner.machine import BURNERS

HEARD: set[str] = set()
"""Lines that children have printed, so that each is told once."""

MOST_HEARD = 500
"""Lines that a runner tells of what its children print."""


def last_line(said: str) -> str:
    """The last line of a log that says anything, "" where none does."""
    lines = [line.strip() for line in said.splitlines()]
    return next(filter(None, reversed(lines)), "")


def fault(request):
    """What a bad delegate does, for tests: for the runtime named in AUTOTUNE_FAULT=KIND:DELEGATE:THREADS."""
    kind, _, where = os.environ.get("AUTOTUNE_FAULT", "").partition(":")
    if where != f"{request['delegate']}:{request['threads']}":
        return
    if kind == "abort":
        os.abort()
    if kind == "segfault":
        ctypes.string_at(0)
    if kind == "memory":
        _ = b"\1" * (1 << 30)  # more than such a test allows
        os.kill(os.getpid(), signal.SIGKILL)
    while kind == "loop":
        pass


def isolated(work, request):
    """What work(request) gives, or how it ended; what native code prints goes to a log of its own.

    What is new in that log goes with the answer, as "said": [LINE].
    """
    with tempfile.TemporaryFile() as log, tempfile.TemporaryFile() as answer:
        over, alive = os.pipe()  # the kernel closes the child's end of it, however the child ends
        parent, child = os.getpid(), os.fork()
        if child == 0:
            os.close(over)
            try:
                ends_with(parent)
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                write_frame(answer, *answered(work, request))
            except BaseException as error:  # noqa: BLE001  # a child never goes on as a runner
                os.write(2, f"{type(error).__name__}: {error}\n".encode())
                os._exit(1)
            os._exit(0)
        os.close(alive)
        how = ended(child, over, request["limit_s"])
        os.close(over)
        log.seek(0)
        said = log.read().decode(errors="replace")
        if how is not None:
            return {"died": ": ".join(filter(None, [how, last_line(said)[:200]]))}, b""
        answer.seek(0)
        found, data = read_frame(answer)
        new = unheard(said)
        return ({**found, "said": new} if new else found), data


def unheard(said):
    """The lines of a log that no child has printed before."""
    new = []
    for line in said.splitlines():
        if line.strip() and line not in HEARD and len(HEARD) < MOST_HEARD:
            HEARD.add(line)
            new.append(line[:300])
    return new


def answered(work, request):
    """The answer or the refusal, in the child: pinned, beside its load."""
    fault(request)
    cpus = request.get("cpus")
    try:
        BURNERS.extend(burner(cpus or []) for _ in range(request.get("load", 0)))
        try:
            pin(cpus)
        except OSError as error:  # it is not the file's
            return {"broken": str(error)}, b""
        found, data = work(request)
        return {"ok": found}, data
    except (RuntimeError, ValueError) as error:
        return {"refused": " ".join(str(error).split())}, b""
    finally:
        for process in BURNERS:
            os.kill(process, signal.SIGKILL)


def ends_with(parent):
    """Has the kernel end this process with its parent, and first of all where memory is short."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        with suppress(OSError):  # not in every container
            Path("/proc/self/oom_score_adj").write_text("1000")
    if os.getppid() != parent:
        os._exit(1)


def pin(cpus):
    """Keeps this process, and the threads it will start, on these CPUs; on all where there are none."""
    if not cpus:
        return
    there = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []
    if not set(cpus) <= set(there):
        asked, has = (", ".join(map(str, numbers)) for numbers in (cpus, there))
        raise OSError(f"cpus: files can't be kept to CPUs {asked}; there are {has or 'none that can be told apart'}")
    os.sched_setaffinity(0, cpus)


def burner(cpus):
    """A process that keeps a core busy, none of these CPUs where there are others; it ends with its parent."""
    parent, process = os.getpid(), os.fork()
    if process == 0:
        ends_with(parent)
        with suppress(AttributeError, OSError):  # not everywhere; there are no others
            os.sched_setaffinity(0, os.sched_getaffinity(0) - set(cpus))
        while os.getppid() == parent:
            sum(range(10_000))
        os._exit(0)
    return process


def ended(child, over, limit):
    """Waits for a child: None where it ended in order, else how it ended.

    Sleeps meanwhile, so as not to disturb it. Where the requests end, nobody waits for the answer:
    the child is ended, and the runner.
    """
    ready = select.select([0, over], [], [], limit)[0]
    if over not in ready:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if 0 in ready:
        sys.exit(0)
    if not ready:
        return f"no answer in {limit:g} s"
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return None if os.WEXITSTATUS(status) == 0 else f"exit status {os.WEXITSTATUS(status)}"
