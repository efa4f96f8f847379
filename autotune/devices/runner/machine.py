"""What there is to know of the machine that the runner is on, its LiteRT, and this process."""

import os
import platform
import sys
import time
from pathlib import Path

BURNERS: "list[int]" = []
"""In a child: the processes that keep cores busy beside it."""


def litert():
    """The module with the Interpreter, and the package's name."""
    try:
        from ai_edge_litert import interpreter

        return interpreter, "ai-edge-litert"
    except ImportError:
        from tflite_runtime import interpreter

        return interpreter, "tflite-runtime"


def text(path: "str | Path") -> str:
    """A small file's text, "" where there is none."""
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def table(path):
    """The lines "key: value" of such a file."""
    lines = (line.partition(":") for line in text(path).splitlines())
    return {key.strip(): value.strip() for key, _, value in lines}


def size(value):
    """Bytes of "N kB"; None where there is no such text."""
    return int(value.split()[0]) * 1024 if value else None


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
    status = table("/proc/self/status")
    found = [size(status.get(key)) for key in ("VmRSS", "VmHWM", "RssFile")]
    return None if None in found else found


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
    return {
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "cpu": cpu(),
        "cores": len(cpus),
        "memory_bytes": size(table("/proc/meminfo").get("MemTotal")),
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
    names = table("/proc/cpuinfo")
    board = text("/proc/device-tree/model").rstrip("\0")
    return names.get("model name") or board or names.get("Hardware") or platform.processor() or platform.machine()
