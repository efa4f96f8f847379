"""An Android phone by way of the user's adb: which one, its shell, files on it, and what it is like."""

import hashlib
import re
import shlex
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from autotune.config import MOST_THREADS
from autotune.devices.runner.child import last_line
from autotune.devices.runner.server import KEPT_DAYS
from autotune.errors import Fault, UserError
from autotune.json_object import JsonObject
from autotune.results.meta import DeviceFacts

FOLDER = "/data/local/tmp/autotune"
"""Where files are kept on the phone, by their sha256."""

ANSWER = 60.0
"""Seconds in which adb must answer what takes no time."""

MOST_SAID = 1 << 25
"""Bytes of what adb writes that are read; a phone that says more has not said how its script ended."""

_STATES = {
    "unauthorized": "unlock it and allow USB debugging on its screen",
    "authorizing": "wait a moment, or allow USB debugging on its screen",
    "offline": "unplug it and plug it in again, or run adb reconnect",
    "no permissions": "this user may not use its USB port: see adb devices for what udev needs",
}
"""What to do about each state in which a phone can't be used."""

_PROCESS, _STATUS = "autotune process", "autotune status"
"""Begin the lines by which the phone tells the number of a process and how it ended.

adb's own exit status is not enough: older phones don't pass it on, and a lost connection has one too.
"""

_SYSTEM = ("product.manufacturer", "product.model", "build.version.release")
_ABOUT = """getprop
{{
echo cores $(nproc)
echo memory $(sed -n 's/MemTotal: *//p' /proc/meminfo)
echo governor $(cat /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor)
echo tool $(sha256sum {tool})
}} 2>/dev/null"""
_STATE = """for zone in /sys/class/thermal/thermal_zone*; do
echo "zone $(cat $zone/temp) $(cat $zone/type)"
done 2>/dev/null
dumpsys battery"""


class Overtime(Fault):
    """A script took longer than it may; only who ran a file in it can tell whether that is the file's doing."""


@dataclass(frozen=True)
class Conditions:
    """What changes on a phone. None for what it does not tell.

    Attributes:
        temperature_c: of its hottest processor, else of its hottest sensor, else of the battery.
        battery_temperature_c: of the battery.
        battery_percent: that it is charged.
        powered: whether by anything but the battery.
    """

    temperature_c: float | None
    battery_temperature_c: float | None
    battery_percent: int | None
    powered: bool


def listed(text: str) -> dict[str, tuple[str, str]]:
    """State and description of each phone by its serial, from what "adb devices -l" writes."""
    phones = {}
    for line in text.partition("List of devices attached")[2].splitlines():
        if match := re.match(r"(\S+)\s+(no permissions|\S+)\s*(.*)", line):
            phones[match[1]] = (match[2], match[3])
    return phones


def conditions(text: str) -> Conditions:
    """Temperature and battery, from what the thermal zones and "dumpsys battery" say.

    Zones count in thousandths of a degree, the battery in tenths.
    """
    zones = [(kind, int(value) / 1e3) for value, kind in re.findall(r"^zone (-?\d{1,9}) (.*)$", text, re.MULTILINE)]
    zones = [(kind, value) for kind, value in zones if 0 < value < 150]  # others are switched off
    battery = dict(re.findall(r"^ +([\w ]+): (\S+)$", text, re.MULTILINE))
    counts = {name: int(value) for name, value in battery.items() if re.fullmatch(r"-?[0-9]{1,4}", value)}
    own = counts["temperature"] / 10 if "temperature" in counts else None
    temperatures = [value for kind, value in zones if "cpu" in kind.lower()] or [value for _, value in zones]
    return Conditions(
        temperature_c=max(temperatures, default=own),
        battery_temperature_c=own,
        battery_percent=counts.get("level"),
        powered=any(value == "true" for name, value in battery.items() if name.endswith("powered")),
    )


def described(text: str, serial: str) -> JsonObject:
    """A phone and the program on it, from what its properties and a few commands say; None what they don't."""
    properties = dict(re.findall(r"^\[(.*)\]: \[(.*)\]$", text, re.MULTILINE))
    counts = {name: int(value) for name, value in re.findall(r"^(cores|memory) (\d{1,12})\b", text, re.MULTILINE)}
    others = dict(re.findall(r"^(governor|tool) (\w+)", text, re.MULTILINE))
    maker, model, version = (properties.get(f"ro.{key}", "?") for key in _SYSTEM)
    qemu = "1" in (properties.get("ro.boot.qemu"), properties.get("ro.kernel.qemu"))
    return {
        "serial": serial,
        "machine": properties.get("ro.product.cpu.abi"),
        "system": f"Android {version} on {maker} {model}",
        "build": properties.get("ro.build.fingerprint"),
        "cpu": properties.get("ro.soc.model") or properties.get("ro.board.platform"),
        "cores": min(max(1, counts.get("cores", 1)), MOST_THREADS),
        "memory_bytes": counts["memory"] * 1024 if "memory" in counts else None,
        "governor": others.get("governor"),
        "emulated": qemu or serial.startswith("emulator-"),
        "benchmark_model": others.get("tool"),
    }


class Phone:
    """One phone: a shell that runs scripts, and files that are sent once, by content."""

    def __init__(self, name: str, adb: str, serial: str | None) -> None:
        """Finds it.

        Args:
            name: of the device, for messages.
            adb: the program.
            serial: of the phone; None takes the only one.

        Raises:
            UserError: it is not there, is one of several, or can't be used as it is.
        """
        self._name = name
        self._adb = adb
        self._sent: dict[tuple[Path, int, int], str] = {}
        self._left = ""  # what a script wrote that ran when the phone was lost, or nobody waited any longer
        self._turns = threading.RLock()
        self._process: subprocess.Popen[bytes] | None = None  # the last one
        phones = listed(self._call(["devices", "-l"]).stdout.decode(errors="replace"))
        shown = ", ".join(f"{key} ({state} {about})" for key, (state, about) in phones.items())
        if not phones:
            raise UserError(f"device {name}: adb sees no phone; plug one in, switch on USB debugging, see adb devices")
        if serial is None and len(phones) > 1:
            raise UserError(f"device {name}: adb sees several phones; name one by serial: {shown}")
        self.serial = serial or next(iter(phones))
        if self.serial not in phones:
            raise UserError(f"device {name}: adb sees no phone {self.serial}; it sees {shown}")
        state = phones[self.serial][0]
        if state != "device":
            advice = _STATES.get(state, "start Android on it")
            raise UserError(f"device {name}: phone {self.serial}: {state}; {advice}")
        self.shell(f"mkdir -p {FOLDER}; find {FOLDER} -type f -mtime +{KEPT_DAYS} -delete")

    def shell(self, script: str, limit: float = ANSWER) -> tuple[str, int]:
        """Runs a script of the phone's shell.

        Args:
            script: to run; put foreign words into it by shlex.quote.
            limit: seconds after which it is ended, with all that it started.

        Returns:
            What it wrote, to either stream, and its exit status: 128 + N where signal N ended it.

        Raises:
            Overtime: it took longer.
            Fault: the phone was lost.
        """
        with self._turns:
            return self._shell(script, limit)

    def abandon(self) -> None:
        """Ends what another thread has adb do at once, with a Fault there; what it ran ends before the next script."""
        if self._process is not None:
            self._process.kill()

    def _shell(self, script: str, limit: float) -> tuple[str, int]:
        if self._left:
            self._end()
        inner = shlex.quote(f"echo {_PROCESS} $$\n{script}")
        command = f"setsid sh -c {inner} 2>&1; status=$?; echo; echo {_STATUS} $status"
        try:
            done = self._run(["-s", self.serial, "shell", command], limit)
        except subprocess.TimeoutExpired as error:
            self._end()
            raise Overtime(f"device {self._name}: phone {self.serial} gave no answer in {limit:g} s") from error
        text = _text(done.stdout)
        match = re.search(rf"\n?{_STATUS} (\d+)\s*$", text)
        if match is None:
            self._left = text
            raise self._failed(done)
        return text[: match.start()].partition("\n")[2], int(match[1])

    def send(self, file: Path) -> str:
        """Puts a file there unless it is there, so that it can be run too, and gives its path.

        Until it has all arrived it has another name, this call's own: others may be sending the same file.

        Raises:
            Fault: it did not arrive.
        """
        status = file.stat()
        key = (file, status.st_mtime_ns, status.st_size)
        if key not in self._sent:
            path = f"{FOLDER}/{hashlib.sha256(file.read_bytes()).hexdigest()}"
            if self.shell(f"[ -e {path} ] && touch {path}")[1]:
                part = f"{path}.{uuid.uuid4().hex}"
                self._move(["push", str(file), part], status.st_size)
                text, failed = self.shell(f"chmod 755 {part} && mv {part} {path}")
                if failed:
                    raise Fault(f"device {self._name}: phone {self.serial} can't keep a file: {text.strip()[-200:]}")
            self._sent[key] = path
        return self._sent[key]

    def fetch(self, path: str, file: Path) -> None:
        """Copies a file from there.

        Raises:
            Fault: it is not there, or did not arrive.
        """
        self._move(["pull", path, str(file)])

    def facts(self, tool: str) -> DeviceFacts:
        """What there is to know about the phone, and about a program on it."""
        said = self.shell(_ABOUT.format(tool=shlex.quote(tool)))[0]
        return DeviceFacts.from_json({"device": self._name, **described(said, self.serial)})

    def conditions(self) -> Conditions:
        """What changes on it: temperature and battery."""
        return conditions(self.shell(_STATE)[0])

    def _end(self) -> None:
        """Ends the script that was left, and all that it started.

        Raises:
            Fault: the phone was lost.
        """
        if match := re.match(rf"{_PROCESS} (\d+)\n", self._left):
            number = match[1]
            script = f"grep -q autotune /proc/{number}/cmdline && kill -9 -{number}; echo {_STATUS}"
            done = self._call(["-s", self.serial, "shell", script])
            if _STATUS not in _text(done.stdout):
                raise self._failed(done)
        self._left = ""

    def _move(self, arguments: Sequence[str], size: int = 0) -> None:
        """Copies a file of so many bytes.

        Raises:
            Fault: it did not arrive.
        """
        done = self._call(["-s", self.serial, *arguments], ANSWER + size / 1e5)
        if done.returncode:
            raise self._failed(done)

    def _failed(self, done: "subprocess.CompletedProcess[bytes]") -> Fault:
        """What to say where adb failed, with the last line of it."""
        self._sent.clear()  # whatever comes back may have been wiped
        said = last_line(_text(done.stdout) + _text(done.stderr))[:200]
        how = said or f"adb ended with exit status {done.returncode}"
        return Fault(f"device {self._name}: the connection to phone {self.serial} failed: {how}")

    def _call(self, arguments: Sequence[str], limit: float = ANSWER) -> "subprocess.CompletedProcess[bytes]":
        """Runs adb, which has so many seconds.

        Raises:
            Fault: adb does not answer.
        """
        try:
            return self._run(arguments, limit)
        except subprocess.TimeoutExpired as error:
            raise Fault(f"device {self._name}: adb {arguments[-1]} gave no answer in {limit:g} s") from error

    def _run(self, arguments: Sequence[str], limit: float) -> "subprocess.CompletedProcess[bytes]":
        command = [self._adb, *arguments]
        with self._turns, tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as errors:
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=said,  # no pipe: what adb leaves behind would keep it open
                    stderr=errors,
                    start_new_session=True,  # Ctrl-C is for the driver
                )
            except OSError as error:
                what = "install Android's platform-tools, or give its path as adb in the device file"
                raise UserError(f"device {self._name}: can't start {self._adb}: {error.strerror}; {what}") from error
            try:
                status = self._process.wait(limit)
            except BaseException:
                self._process.kill()
                self._process.wait()
                self._left = self._left or _text(_written(said))
                raise
            return subprocess.CompletedProcess(command, status, _written(said), _written(errors))


def _written(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read(MOST_SAID)


def _text(data: bytes) -> str:
    """The output of adb as text; of older phones every line ends in CR LF."""
    return data.decode(errors="replace").replace("\r\n", "\n")
