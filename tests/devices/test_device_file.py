"""Devices by what users call them."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from autotune import plugins
from autotune.devices import device_file, device_keys
from autotune.devices.android.device import AdbDevice
from autotune.devices.client.command import CommandDevice
from autotune.devices.client.local import LocalDevice
from autotune.devices.client.ssh import SshDevice
from autotune.devices.device import Cooling, MeasureOptions
from autotune.devices.device_file import device_files, find_device, keywords
from autotune.errors import UserError
from autotune.testing import FakeDevice
from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("devices").mkdir()


class Simulator:
    """A plug-in's device, with every type that a device file may give."""

    cooling: Cooling | None = None

    def __init__(
        self,
        speed: float,
        *,
        name: str = "simulator",
        seed: int = 0,
        strict: bool = False,
        flags: Mapping[str, Sequence[str]] | None = None,
        start: str | Sequence[str] = "now",
        pins: tuple[int, ...] | None = None,
        **_: Any,
    ) -> None:
        self.name, self.given = name, [speed, seed, strict, flags, start, pins]


@pytest.fixture
def _simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is registered as "simulator"."""
    load = plugins.load
    monkeypatch.setattr(plugins, "load", lambda kind, name: Simulator if name == "simulator" else load(kind, name))


def file(text: str, name: str = "devices/board.yaml") -> str:
    Path(name).write_text(text)
    return name


@pytest.mark.parametrize(
    ("spec", "kind", "name"),
    [
        ("local", LocalDevice, "local"),
        ("ssh:pi@board", SshDevice, "pi@board"),
        ("adb", AdbDevice, "adb"),
        ("adb:EXAMPLE0001", AdbDevice, "EXAMPLE0001"),
        ("adb:192.168.0.5:5555", AdbDevice, "192.168.0.5:5555"),
    ],
)
def test_transports_and_their_short_forms(spec: str, kind: type, name: str) -> None:
    """Without any file; nothing is connected to."""
    device = find_device(spec)
    assert type(device) is kind
    assert device.name == name
    assert device.cooling is None


@pytest.mark.parametrize("spec", ["board", "devices/board", "devices/board.yaml", "./devices/board.yaml"])
def test_a_file_by_name_and_by_path(spec: str) -> None:
    """Its name is the device's, unless it says another."""
    file("threads: [1]")
    assert find_device(spec).name == "board"
    file("name: desk")
    assert find_device(spec).name == "desk"


def test_a_file_goes_before_a_transport_of_its_name() -> None:
    """A user's own "local" describes this machine."""
    file("threads: [3]", "devices/local.yml")
    assert find_device("local").threads == (3,)
    assert [path.name for path in device_files()] == ["local.yml"]


def test_a_file_says_what_the_class_takes() -> None:
    """Keys are its keywords, and those of the class above it."""
    path = file(
        f"transport: command\ncommand: [{sys.executable}]\nfolder: .\nemulated: true\nshares_host: true\n"
        "threads: [1, 3]\ncooling: {below: 55.5, at_most: 2m}\n"
    )
    device = find_device(path)
    assert isinstance(device, CommandDevice)
    assert (device.emulated, device.shares_host, device.threads) == (True, True, (1, 3))
    assert device.cooling == Cooling(55.5, 120.0)


def test_what_is_asked_for_goes_before_the_file() -> None:
    """As --cpus does."""
    file("cpus: [0]")
    assert find_device("board", cpus=[1, 2])._options.cpus == (1, 2)  # type: ignore[attr-defined]


@pytest.mark.usefixtures("_simulator")
def test_a_plug_in_of_any_types() -> None:
    """A device file reaches its keywords, and values are of the types that it asks for."""
    content = "transport: simulator\nspeed: 2\nseed: 3\nstrict: true\nflags: {gpu: [a, b]}\nstart: [at, once]\n"
    device: Any = find_device(file(f"{content}pins: [1, 2]\n"))
    assert device.given == [2, 3, True, {"gpu": ["a", "b"]}, ["at", "once"], (1, 2)]
    assert device.name == "board"
    with pytest.raises(UserError, match=r"pins can't be .*; it must be a list, each a whole number$"):
        find_device(file(f"{content}pins: [1, a]\n"))


def test_keywords_are_those_of_the_class_and_of_its_options() -> None:
    """In place of the options stand their fields."""
    found = keywords(SshDevice)
    assert {"host", "python", "port", "folder", "delegates", "threads", "cpus", "cooling", "emulated"} <= set(found)
    assert not {"transport", "options", "self"} & set(found)


def test_every_option_has_a_check_of_its_own() -> None:
    """Bounds are by the key, whatever device has it."""
    assert list(device_keys._KEYS) == [field.name for field in fields(MeasureOptions)]


def test_what_a_plug_in_asks_for_may_be_a_class_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dataclass is a mapping in the file; one that does not fit is one line."""

    @dataclass
    class Sensor:
        pin: int

    class Probe(Simulator):
        def __init__(self, name: str, sensor: Sensor) -> None:
            super().__init__(1.0, name=name)
            self.sensor = sensor

    monkeypatch.setattr(plugins, "load", lambda *_: Probe)
    device: Any = find_device(file("transport: probe\nsensor: {pin: 3}"))
    assert device.sensor == Sensor(3)
    with pytest.raises(UserError, match=r"line 2: sensor can't be {'pin': 'three'}; it must be "):
        find_device(file("transport: probe\nsensor: {pin: three}"))


def test_pydantic_is_imported_where_a_file_is_read() -> None:
    """And not before: it takes longer than all else of a command's help."""
    script = (
        "import sys\nfrom autotune.devices.device_file import find_device\n"
        "find_device('local')\nprint('pydantic' in sys.modules)\n"
        "find_device('devices/board.yaml')\nprint('pydantic' in sys.modules)"
    )
    file("threads: [1]")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- ssh", "must map keys such as transport and host to values"),
        ("transport: moon", "line 1: unknown device 'moon'; known are adb, command, local, ssh"),
        ("transport: [ssh]", "line 1: unknown device"),
        ("threads: [1]\nhost: pi", "line 2: unknown key 'host'; known are transport, name,"),
        ("transport: ssh\nhots: pi", "line 2: unknown key 'hots'"),
        ("transport: ssh", "transport ssh needs host; write ssh:HOST, or say so in a device file"),
        ("transport: ssh\nhost: [pi]", "line 2: host can't be ['pi']; it must be a text"),
        ("transport: ssh\nhost: pi\nport: '22'", "line 3: port can't be '22'; it must be a whole number"),
        ("transport: ssh\nhost: pi board", "'pi board' is no host"),
        ("transport: command", "transport command needs command"),
        ("transport: command\ncommand: python3 -u", "line 2: command can't be 'python3 -u'; it must be a list, each"),
        ("transport: command\ncommand: [python3, 3]", "line 2: command can't be ['python3', 3]"),
        ("transport: command\ncommand: []", "command must be a list of texts"),
        ("transport: adb\nserial: 12345", "line 2: serial can't be 12345; it must be a text in quotes"),
        ("transport: adb\ndelegates: [warp]", "unknown delegate 'warp'"),
        ("delegates: xnnpack", "line 1: delegates can't be 'xnnpack'; it must be a list, each a text"),
        ("threads: 2", "line 1: threads can't be 2; it must be a list, each a whole number"),
        ("threads: [two]", "line 1: threads can't be ['two']"),
        ("threads: [true]", "line 1: threads can't be [True]"),
        ("threads: [0]", "line 1: threads can't be [0]; 1 is the least"),
        ("cpus: [-1]", "line 1: cpus can't be [-1]; 0 is the least"),
        ("threads: [1, 1000000]", "line 1: threads can't be [1, 1000000]; 1024 is the most"),
        ("cpus: [100000000000000000000]", "65535 is the most"),
        ("delegates: []", "line 1: delegates can't be []; name one, or leave the key out"),
        ("limit: .nan", "line 1: limit can't be nan; 1 is the least"),
        ("limit: .inf", "line 1: limit can't be inf; 86400 is the most"),
        ('transport: command\ncommand: [a]\nfolder: "a\\0b"', "line 3: a text has a null character"),
        ('transport: command\ncommand: ["a\\0"]', "line 2: a text has a null character"),
        ("limit: soon", "line 1: limit can't be 'soon'; it must be a number"),
        ("emulated: maybe", "line 1: emulated can't be 'maybe'; it must be true or false"),
        ("emulated: 1", "line 1: emulated can't be 1"),
        ("shares_host: false", "line 1: unknown key 'shares_host'; known are transport, name, emulated, delegates,"),
        ("cooling: 60", "line 1: cooling has below (°C) and at_most (a time)"),
        ("cooling: {below: 60}", "line 1: cooling has below (°C) and at_most (a time)"),
        ("cooling: {below: 60, at_most: 5m, 3: x}", "line 1: cooling has below (°C) and at_most (a time)"),
        ("transport: ssh\nhost: pi\nssh: []", "ssh can't be empty; it is a program and its arguments"),
        ("cooling: {below: hot, at_most: 5m}", "below can't be 'hot'"),
        ("cooling: {below: 400, at_most: 5m}", "below can't be 400"),
        ("cooling: {below: 60, at_most: soon}", "at_most: 'soon' is no time"),
        ("threads: [1]\nthreads: [2]", "line 2: threads stands here a second time"),
        ("threads: [1", "not YAML"),
    ],
)
def test_what_a_file_can_not_say(text: str, says: str) -> None:
    """One line with the file, and the line and key where they are known."""
    path = file(text)
    with pytest.raises(UserError) as caught:
        find_device("board")
    assert str(caught.value).startswith(f"device {path}") or "device board: " in str(caught.value)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_cpus_that_the_device_has_not() -> None:
    """No delegate is blamed for them."""
    file("cpus: [9999]\ndelegates: [builtin]")
    with pytest.raises(UserError, match="device board: cpus: files can't be kept to CPUs 9999; there are 0"):
        _ = find_device("board").delegates


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (
            "moon",
            "unknown device 'moon'; known are adb, local, ssh:HOST, adb:SERIAL and device files; in devices/ there",
        ),
        ("", "unknown device ''"),
        ("moon:base", "unknown device 'moon:base'"),
        ("ssh:", "unknown device 'ssh:'"),
        ("ssh", "transport ssh needs host; write ssh:HOST"),
        ("command", "transport command needs command"),
        ("none.yaml", "no device file 'none.yaml'"),
        ("elsewhere/board", "unknown device 'elsewhere/board'"),
    ],
)
def test_what_is_no_device(spec: str, says: str) -> None:
    """One line with what there is."""
    file("threads: [1]")
    with pytest.raises(UserError) as caught:
        find_device(spec)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("_simulator")
def test_what_a_class_does_not_take() -> None:
    """Pinning to CPUs is nothing that every device can do."""
    path = file("transport: simulator\nspeed: 1\n")
    with pytest.raises(UserError, match=r"device devices/board.yaml: simulator takes no cpus"):
        find_device(path, cpus=[0])


@pytest.mark.parametrize("name", ["raspberry_pi", "android_phone", "container"])
def test_the_examples_are_right(name: str) -> None:
    """Those that are shipped can be copied as they are."""
    assert find_device(str(ROOT / "docs" / "examples" / "devices" / f"{name}.yaml")).name == name


def test_a_plug_in_has_a_short_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its class says what stands behind the colon; it is called so, too."""

    class Box(FakeDevice):
        short = "container"

        def __init__(self, name: str, container: str) -> None:
            super().__init__()
            self.name = f"{name} {container}"

    monkeypatch.setattr(device_file, "entry_points", lambda group: [EntryPoint("box", "", group)])
    monkeypatch.setattr("autotune.plugins.load", lambda kind, name: Box)
    assert device_file.find_device("box:web").name == "web web"
    with pytest.raises(UserError, match="write box:CONTAINER, or say so in a device file"):
        device_file.find_device("box")
