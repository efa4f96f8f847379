"""The measuring program: runs .tflite files on LiteRT, on this machine or on a board, and says what it saw.

One file that needs only Python 3.9, numpy and ai_edge_litert (or tflite_runtime). It reads requests
from stdin and answers each on stdout. Both are frames: a JSON object on a line of its own and, where
it says {"bytes": N}, N raw bytes after it.

    runner.py FOLDER LOCK TOKEN  files are kept in FOLDER by their sha256; LOCK is the device's lease;
                                 TOKEN is the session's: its former runner there is ended

    {"do": "facts"}                                     what there is to know about the machine
    {"do": "state"}                                     what changes on it: load, frequency, temperature
    {"do": "have", "file": SHA256}                      whether a file is there
    {"do": "put", "file": SHA256, "bytes": N}           puts it there
    {"do": "lease", "mode": "exclusive" | "shared" | "none", "holder": TEXT}
    {"do": "outputs", …, "inputs": SHA256, "from": I, "to": J, "batch": N}
                                                        answers with the outputs of these inputs as .npy
    {"do": "latency", …, "seconds": S}                  a block of timed inferences
    {"do": "sustain", …, "seconds": S}                  latency over time
    {"do": "profile", …, "seconds": S}                  operator by operator; "module" is profiler.py

where … is "model": SHA256, "delegate": D, "threads": N, "limit_s": S and optionally "cpus": [N] and
"load": N, and "module": SHA256 of accelerators.py where D is none of the CPU's. Each of these runs in a
child process of its own, so that no file can end the runner.

An answer is {"ok": {…}}; {"refused": REASON} where LiteRT refuses the file or the delegate;
{"died": HOW} where the child was ended by a signal or by its limit; {"broken": REASON} where the
runner itself can't work.
"""

import ctypes
import fcntl
import hashlib
import io
import json
import os
import platform
import select
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy starts no threads: the runner forks

import numpy as np

BATCH = 100
"""Samples evaluated at once, where the file can be resized to it and a request says no less."""

WARM_UP_SECONDS, LEAST_RUNS, MOST_RUNS = 0.02, 3, 5_000

CPU = ("xnnpack", "builtin", "reference")
"""Delegates of the interpreter; the others are CompiledModel's accelerators."""

KEPT_DAYS = 7
"""Files that were not asked for as long are removed."""

SILENT_SECONDS = 1800
"""A runner that holds the lease and is asked nothing for as long ends: whoever held it is gone."""

BURNERS: "list[int]" = []
"""In a child: the processes that keep cores busy beside it."""


# --- frames ---------------------------------------------------------------------------------------


def read_frame(stream: IO[bytes]) -> "tuple[dict[str, Any], bytes] | None":
    """The next object and its bytes, None at the end of the stream."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        return None
    header = json.loads(line)
    data = stream.read(header.get("bytes", 0))
    return None if len(data) < header.get("bytes", 0) else (header, data)


def write_frame(stream: IO[bytes], header: dict[str, Any], data: bytes = b"") -> None:
    """Writes an object and bytes."""
    stream.write(json.dumps({**header, "bytes": len(data)} if data else header).encode() + b"\n" + data)
    stream.flush()


# --- LiteRT ---------------------------------------------------------------------------------------


def litert():
    """The module with the Interpreter, and the package's name."""
    try:
        from ai_edge_litert import interpreter

        return interpreter, "ai-edge-litert"
    except ImportError:
        from tflite_runtime import interpreter

        return interpreter, "tflite-runtime"


def interpreter(request):
    """An Interpreter for the request; not yet allocated."""
    module, _ = litert()
    types = module.OpResolverType
    resolvers = {
        "xnnpack": types.AUTO,
        "builtin": types.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        "reference": types.BUILTIN_REF,
    }
    return module.Interpreter(
        model_path=request["path"],
        num_threads=request["threads"],
        experimental_op_resolver_type=resolvers[request["delegate"]],
    )


class Interpreted:
    """A file opened by the Interpreter, on CPU kernels."""

    def __init__(self, request):
        self._request = request
        self._opened = interpreter(request)
        self._ready()

    def _ready(self):
        self._opened.allocate_tensors()
        self.entries, self.exits = self._opened.get_input_details(), self._opened.get_output_details()

    def batched(self, batch):
        """Resizes the input; False for a file whose batch is fixed, or that has several inputs."""
        if len(self.entries) > 1:
            return False
        opened, [entry] = interpreter(self._request), self.entries
        try:
            opened.resize_tensor_input(entry["index"], [batch, *entry["shape"][1:]])
            opened.allocate_tensors()
        except RuntimeError:
            return False
        self._opened = opened
        self._ready()
        return True

    def infer(self, samples):
        """All outputs for a sample of each input, in their own types."""
        for entry, sample in zip(self.entries, samples):  # noqa: B905  # Python 3.9
            self._opened.set_tensor(entry["index"], sample)
        self._opened.invoke()
        return [self._opened.get_tensor(one["index"]) for one in self.exits]

    def delegation(self):
        """How many operators there are, how many a delegate runs, and the kinds of the others.

        Behind the file's operators LiteRT lists its DELEGATE nodes. What such a node took is all that
        leads to its outputs from its inputs.
        """
        listed = self._opened._get_ops_details()
        own = [node for node in listed if node["op_name"] != "DELEGATE"]
        if self._request["delegate"] != "xnnpack":
            return len(own), None, []
        maker = {tensor: number for number, node in enumerate(own) for tensor in node["outputs"]}
        taken = set()
        for node in listed[len(own) :]:
            inputs, wanted = set(node["inputs"]), list(node["outputs"])
            while wanted:
                tensor = wanted.pop()
                if tensor in maker and tensor not in inputs and maker[tensor] not in taken:
                    taken.add(maker[tensor])
                    wanted.extend(own[maker[tensor]]["inputs"])
        left = [node["op_name"] for number, node in enumerate(own) if number not in taken]
        return len(own), len(taken), left


def opened(request):
    """The file, ready to run."""
    if request["delegate"] in CPU:
        return Interpreted(request)
    return loaded(request["module_path"])["Compiled"](request["path"], request["delegate"], request["threads"])


def loaded(path):
    """The names in a module that the driver sent: what reaches deep into one runtime is kept apart."""
    names = {"__name__": "module"}
    exec(compile(Path(path).read_text(), Path(path).name, "exec"), names)  # noqa: S102  # the driver's own
    return names


def encoded(values: Any, entry: dict[str, Any]) -> Any:
    """Float values (n, …) in an input's own type: integers by its scale and zero point."""
    scale, zero = entry["quantization"]
    if not scale:
        return values.astype(entry["dtype"])
    limits = np.iinfo(entry["dtype"])
    return np.clip(np.rint(values / scale) + zero, limits.min, limits.max).astype(entry["dtype"])


def decoded(values: Any, exit_: dict[str, Any]) -> Any:
    """An output's values as float32: the reverse of encoded()."""
    scale, zero = exit_["quantization"]
    return ((values.astype(np.float32) - zero) * scale if scale else values).astype(np.float32)


# --- what is asked of a file, in a child ----------------------------------------------------------


def outputs(request):
    """Runs inputs; the first outputs come in their order. What else a file has for input is zero."""
    inputs = np.load(request["inputs_path"], mmap_mode="r", allow_pickle=False)
    model = opened(request)
    batch = min(request["batch"], len(inputs))
    if batch == 1 or not model.batched(batch):
        batch = 1
    first, *more = model.entries
    others = [np.zeros(entry["shape"], entry["dtype"]) for entry in more]
    parts = []
    for start in range(request["from"], request["to"], batch):
        part = inputs[start : min(start + batch, request["to"])]
        padding = np.repeat(part[:1], batch - len(part), axis=0)
        found = model.infer([encoded(np.concatenate([part, padding]), first), *others])[0]
        parts.append(decoded(found[: len(part)], model.exits[0]))
    file = io.BytesIO()
    np.save(file, np.concatenate(parts))
    return {"batch": batch}, file.getvalue()


def timed(request):
    """The file ready to be timed: a function that times one inference in microseconds, and the first facts."""
    base = memory()
    began = time.perf_counter_ns()
    model = opened(request)
    initialised = time.perf_counter_ns()
    random = np.random.default_rng(0).random
    samples = [encoded(random(entry["shape"], np.float32), entry) for entry in model.entries]

    def infer():
        start = time.perf_counter_ns()
        model.infer(samples)
        return (time.perf_counter_ns() - start) / 1e3

    first = infer()
    facts = {"init_us": (initialised - began) / 1e3, "first_us": first}
    return model, infer, base, facts


def warm_up(infer, first_us):
    start = time.perf_counter()
    while time.perf_counter() - start + first_us / 1e6 < WARM_UP_SECONDS:
        infer()


def latency(request):
    """Times single inferences: inputs written, run, outputs read."""
    model, infer, base, facts = timed(request)
    warm_up(infer, facts["first_us"])
    before = state()
    times, start = [], time.perf_counter()
    while len(times) < LEAST_RUNS or (time.perf_counter() - start < request["seconds"] and len(times) < MOST_RUNS):
        times.append(infer())
    after = state()
    operators, delegated, left = model.delegation()
    kinds = Counter(left).items()
    return {
        **facts,
        "times_us": times,
        "memory_bytes": grown(base, Path(request["path"]).stat().st_size),
        "operators": operators,
        "delegated": delegated,
        "fell_back": [kind if count == 1 else f"{kind} x {count}" for kind, count in kinds],
        **changes(before, after),
    }, b""


def sustain(request):
    """Times inferences on end, and says what each second was like."""
    _, infer, _, facts = timed(request)
    windows, start = [], time.perf_counter()
    while time.perf_counter() - start < request["seconds"]:
        before, times, began = state(), [], time.perf_counter()
        while not times or time.perf_counter() - began < 1:
            times.append(infer())
        windows.append({"at_s": began - start, "times_us": times[:MOST_RUNS], **changes(before, state())})
    return {**facts, "windows": windows}, b""


def profile(request):
    """What each operator takes."""
    ask = loaded(request["module_path"])["profile"]
    found = ask(request["path"], request["delegate"], request["threads"], request["seconds"])
    return {"operators": found}, b""


# --- what the machine is like ---------------------------------------------------------------------


def text(path: Any) -> str:
    """A small file's text, "" where there is none."""
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def numbers(pattern, *folders):
    """The number in each such file: pattern is a path with {} for each folder's entry."""
    found = []
    for folder in map(Path, folders):
        for entry in folder.iterdir() if folder.is_dir() else []:
            value = text(folder / pattern.format(entry.name))
            if value.lstrip("-").isdigit():
                found.append(int(value))
    return found


def state():
    """What changes while one measures: CPU time used by all, by us and our load, frequency, temperature."""
    fields = [int(value) for value in text("/proc/stat").partition("\n")[0].split()[1:9]]
    tick = os.sysconf("SC_CLK_TCK")
    frequencies = numbers("{}/cpufreq/scaling_cur_freq", "/sys/devices/system/cpu")
    temperatures = [value for value in numbers("{}/temp", "/sys/class/thermal") if 0 < value < 150_000]
    return {
        "at_s": time.perf_counter(),
        "busy_s": (sum(fields) - fields[3] - fields[4]) / tick if len(fields) == 8 else None,
        "own_s": time.process_time() + sum(map(used, BURNERS)),
        "frequency_mhz": max(frequencies) / 1e3 if frequencies else None,
        "temperature_c": max(temperatures) / 1e3 if temperatures else None,
        "load": os.getloadavg()[0],
    }


def used(process):
    """Seconds of CPU time of a process, 0 where unknown."""
    fields = text(f"/proc/{process}/stat").rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def changes(before, after):
    """What happened between two states."""
    found = {}
    if before["busy_s"] is not None:
        others = after["busy_s"] - before["busy_s"] - (after["own_s"] - before["own_s"])
        found["others"] = others / (after["at_s"] - before["at_s"])
    for key in ("frequency_mhz", "temperature_c"):
        if before[key] is not None and after[key] is not None:
            found[key] = [before[key], after[key]]
    return found


def memory():
    """This process's resident memory, its peak, and its mapped files, in bytes; None where unknown."""
    lines = dict(line.split(":", 1) for line in text("/proc/self/status").splitlines() if ":" in line)
    found = [lines.get(key, "").split()[:1] for key in ("VmRSS", "VmHWM", "RssFile")]
    return [int(value[0]) * 1024 for value in found] if all(found) else None


def grown(base, size):
    """Peak over the memory at the beginning: what was allocated, and the mapped file.

    Pages of libraries that a forked process touches anew are not counted.
    """
    now = memory()
    if base is None or now is None:
        return None
    return max(0, now[1] - base[0] - max(0, now[2] - base[2])) + size


def facts():
    """What there is to know about the machine."""
    module, package = litert()
    cpus = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    total = [line.split()[1] for line in text("/proc/meminfo").splitlines() if line.startswith("MemTotal:")]
    return {
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "cpu": cpu(),
        "cores": len(cpus),
        "memory_bytes": int(total[0]) * 1024 if total else None,
        "governor": text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or None,
        "python": platform.python_version(),
        "runtime": package,
        "litert": version(module, package),
        "load": os.getloadavg()[0],
    }


def version(module, package):
    try:
        from importlib.metadata import version as found

        return found(package)
    except ImportError:  # unpacked wheels have no metadata
        return getattr(sys.modules[module.__package__], "__version__", "unknown")


def cpu():
    """The processor's name; a board's own where it has no better one."""
    lines = dict(line.split(":", 1) for line in text("/proc/cpuinfo").splitlines() if ":" in line)
    names = {key.strip(): value.strip() for key, value in lines.items()}
    board = text("/proc/device-tree/model").rstrip("\0")
    return names.get("model name") or board or names.get("Hardware") or platform.processor() or platform.machine()


# --- children -------------------------------------------------------------------------------------


def fault(request):
    """For tests: what a bad delegate does, for the runtime named in AUTOTUNE_FAULT=KIND:DELEGATE:THREADS."""
    kind, _, where = os.environ.get("AUTOTUNE_FAULT", "").partition(":")
    if where != f"{request['delegate']}:{request['threads']}":
        return
    if kind == "abort":
        os.abort()
    if kind == "segfault":
        ctypes.string_at(0)
    if kind == "memory":
        taken = [np.ones(1 << 24) for _ in range(8)]  # 1 GiB, more than such a test allows
        os.kill(os.getpid(), signal.SIGKILL) if taken else None
    while kind == "loop":
        pass


def isolated(request):
    """Answers a request in a child; what native code prints goes to a log of its own."""
    work = {"outputs": outputs, "latency": latency, "sustain": sustain, "profile": profile}[request["do"]]
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
        if how is None:
            answer.seek(0)
            return read_frame(answer)
        log.seek(0)
        last = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()][-1:]
        return {"died": f"{how}{': ' if last else ''}{''.join(last)[:200]}"}, b""


def answered(work, request):
    """In the child: pinned, beside its load, with the answer or the refusal."""
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


# --- the runner -----------------------------------------------------------------------------------


class Runner:
    """Answers requests, one at a time.

    Attributes:
        holds: the mode in which it holds the lease: exclusive, shared or none; queue where it waits for it.
    """

    def __init__(self, folder: Path, lock: str) -> None:
        self.holds = "none"
        self._folder, self._lock, self._lease, self._queue = folder, lock, None, None
        folder.mkdir(parents=True, exist_ok=True)
        oldest = time.time() - KEPT_DAYS * 86_400
        for path in folder.iterdir():
            with suppress(OSError):  # another runner was faster; a folder
                if path.stat().st_mtime < oldest:
                    path.unlink()

    def answer(self, request: dict[str, Any], data: bytes) -> "tuple[dict[str, Any], bytes]":
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
                return {"ok": self._put(request["file"], data)}, b""
            if do == "lease":
                return {"ok": self._hold(request)}, b""
            files = {"path": "model", "inputs_path": "inputs", "module_path": "module"}
            paths = {key: self._used(request[name]) for key, name in files.items() if name in request}
            answered: tuple[dict[str, Any], bytes] = isolated({**request, **paths})
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

    def _put(self, file, data):
        if hashlib.sha256(data).hexdigest() != file:
            raise OSError("a file arrived damaged")
        fresh = self._folder / f"{file}.{os.getpid()}"
        fresh.write_bytes(data)
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


def main(folder, lock, token):
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what native code prints must not come between the answers
    with suppress(OSError):  # it leads one already
        os.setpgrp()  # so that all of it can be ended at once
    folder = Path(folder).expanduser()
    requests, runner = os.fdopen(os.dup(0), "rb"), Runner(folder, lock)
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


if __name__ == "__main__":
    main(*sys.argv[1:])
