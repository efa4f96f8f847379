"""Answers a driver's requests, one at a time, and holds the device's lease for it.

Requests come by stdin and answers go by stdout. Both are frames: a JSON object on a line of its own and,
where it says {"bytes": N}, N raw bytes after it.

    main(FOLDER, LOCK, TOKEN)    files are kept in FOLDER by their sha256; LOCK is the device's lease;
                                 TOKEN is the session's: its former runner there is ended

    {"do": "facts"}                                     what there is to know about the machine
    {"do": "state"}                                     what changes on it: load, frequency, temperature
    {"do": "have", "file": SHA256}                      whether a file is there
    {"do": "put", "file": SHA256, "size": N, "from": I} puts it there, a piece at a time, from its beginning on
    {"do": "lease", "mode": "exclusive" | "shared" | "none", "holder": TEXT}
    {"do": "outputs", …, "inputs": SHA256, "from": I, "to": J, "batch": N}
                                                        answers with the outputs of these inputs as .npy
    {"do": "latency", …, "seconds": S}                  a block of timed inferences
    {"do": "sustain", …, "seconds": S}                  latency over time
    {"do": "profile", …, "seconds": S}                  operator by operator

where … is "model": SHA256, "delegate": D, "threads": N, "state": what the file keeps from one inference to
the next (tflite.state), "ends": the names of its inputs and outputs (tflite.ends),
"limit_s": S and optionally "cpus": [N] and "load": N. Each of these runs in a child process of its own.

An answer is {"ok": {…}}; {"refused": REASON} where LiteRT refuses the file or the delegate;
{"died": HOW} where the child was ended by a signal or by its limit; {"broken": REASON} where the
runner itself can't work. With it comes "said": [LINE] where the child printed what none did before.
"""

import fcntl
import hashlib
import json
import os
import select
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from autotune.devices.runner.child import isolated
from autotune.devices.runner.frames import Message, read_frame, write_frame
from autotune.devices.runner.inference import latency, outputs, profile, sustain
from autotune.devices.runner.machine import facts, state, text

KEPT_DAYS = 7
"""Files that were not asked for as long are removed."""

SILENT_SECONDS = 1800
"""A runner that holds the lease and is asked nothing for as long ends: whoever held it is gone."""

WORK = {"outputs": outputs, "latency": latency, "sustain": sustain, "profile": profile}
"""What is asked of a file."""


class Runner:
    """Answers requests, one at a time.

    Attributes:
        holds: the mode in which it holds the lease: exclusive, shared or none; queue where it waits for it.
    """

    def __init__(self, folder: Path, lock: str) -> None:
        self.holds = "none"
        self._folder = folder
        self._lock = lock
        self._lease = None
        self._queue = None
        folder.mkdir(parents=True, exist_ok=True)
        oldest = time.time() - KEPT_DAYS * 86_400
        for path in folder.iterdir():
            with suppress(OSError):  # another runner was faster; a folder
                if path.stat().st_mtime < oldest:
                    path.unlink()

    def answer(self, request: Message, data: bytes) -> "tuple[Message, bytes]":
        """The answer's object and bytes."""
        do = request["do"]
        try:
            if do == "facts":
                return {"ok": facts()}, b""
            if do == "state":
                return {"ok": state()}, b""
            if do == "have":
                return {"ok": {"have": self._have(request["file"])}}, b""
            if do == "put":
                return {"ok": self._put(request, data)}, b""
            if do == "lease":
                return {"ok": self._hold(request)}, b""
            files = {"path": "model", "inputs_path": "inputs"}
            paths = {key: self._used(request[name]) for key, name in files.items() if name in request}
            answered: tuple[Message, bytes] = isolated(WORK[do], {**request, **paths})
            return answered
        except (ImportError, OSError) as error:
            return {"broken": " ".join(str(error).split())}, b""

    def _path(self, file):
        return self._folder / Path(file).name

    def _used(self, file):
        os.utime(self._path(file))
        return str(self._path(file))

    def _have(self, file):
        try:
            return bool(self._used(file))
        except FileNotFoundError:
            return False

    def _put(self, request, data):
        file, size = request["file"], request["size"]
        fresh = self._folder / f"{file}.{os.getpid()}"
        with fresh.open("ab" if request["from"] else "wb") as there:
            if there.tell() != request["from"]:
                raise OSError("a piece of a file is missing")
            there.write(data)
        if request["from"] + len(data) == size:
            if digest(fresh) != file:
                fresh.unlink()
                raise OSError("a file arrived damaged")
            fresh.replace(self._path(file))
        return {}

    def _hold(self, request):
        """Takes or leaves the lease; the kernel leaves it for a holder that dies.

        Only who has the queue may take it, and keeps the queue until then: who takes and leaves the
        lease all the time, or shares it, can't starve one who waits.
        """
        if self._lease is None:
            self._lease, self._queue = locked_file(self._lock), locked_file(self._lock + ".queue")
        mode = request["mode"]
        if mode == "none":
            if self.holds == "exclusive":
                self._note("")
            fcntl.flock(self._lease, fcntl.LOCK_UN)
            fcntl.flock(self._queue, fcntl.LOCK_UN)
            self.holds = "none"
            return {"held": False, "by": ""}
        try:
            if request.get("queue", True):
                fcntl.flock(self._queue, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.holds = "queue"
            fcntl.flock(self._lease, (fcntl.LOCK_SH if mode == "shared" else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return {"held": False, "by": self._holder()}
        fcntl.flock(self._queue, fcntl.LOCK_UN)
        self.holds = mode
        if mode == "exclusive":
            self._note(json.dumps({"pid": os.getpid(), "holder": request["holder"]}))
        return {"held": True, "by": ""}

    def _note(self, words):
        """Says in the lease's file who holds it."""
        with suppress(OSError):  # another user's file can be locked, not written
            os.ftruncate(self._lease, 0)
            os.pwrite(self._lease, words.encode(), 0)

    def _holder(self):
        try:
            note = json.loads(os.pread(self._lease, 4096, 0))
            if Path("/proc", str(note["pid"])).exists():
                return str(note["holder"])
        except (OSError, ValueError, KeyError):
            pass
        return "another process"


def digest(path: Path) -> str:
    """A file's sha256."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            total.update(part)
    return total.hexdigest()


def succeed(note: Path, token: str) -> None:
    """Ends the session's former runner, whose connection was lost without its noticing, and notes this one.

    A process is ended only where it has the token for an argument, as no other process can.
    """
    former = text(note)
    if former.isdigit() and token in text("/proc/" + former + "/cmdline").split("\0"):
        with suppress(OSError):  # it is gone
            os.killpg(int(former), signal.SIGKILL)
    note.write_text(str(os.getpid()))


def locked_file(path: str) -> int:
    """The lease's file, of whoever made it first."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except PermissionError:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)


def place(folder):
    """Where files are kept: in the folder; in one of this user's below /tmp, where "~" is no folder to write to."""
    if not folder.startswith("~"):
        return Path(folder)
    with suppress(RuntimeError, OSError):
        path = Path(folder).expanduser()
        path.mkdir(parents=True, exist_ok=True)
        if os.access(path, os.W_OK):
            return path
    own = Path(tempfile.gettempdir(), f"autotune-{os.getuid()}")
    own.mkdir(mode=0o700, exist_ok=True)
    if own.is_symlink() or own.stat().st_uid != os.getuid():
        raise OSError(f"{own} is somebody else's")
    return own


def main(folder, lock, token):
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what native code prints must not come between the answers
    with suppress(OSError):  # it leads one already
        os.setpgrp()  # so that all of it can be ended at once
    folder = place(folder)
    requests = os.fdopen(os.dup(0), "rb")
    runner = Runner(folder, lock)
    note = folder / f"{token}.pid"
    succeed(note, token)
    try:
        write_frame(answers, {"ok": {}})  # ready
        while runner.holds == "none" or select.select([0], [], [], SILENT_SECONDS)[0]:
            frame = read_frame(requests)
            if frame is None:
                return
            write_frame(answers, *runner.answer(*frame))
    finally:
        with suppress(OSError):
            note.unlink()
