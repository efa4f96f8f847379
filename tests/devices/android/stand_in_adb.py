"""A stand-in for adb, and for the phones behind it: what they answer is recorded, what goes wrong is told it.

install() makes it executable under the name adb. Its folder is named by $STAND_IN: in its phones/ a file for
each serial says in which state that is, and the folder of a serial is that phone's own file system, on which the
scripts that adb is given are really run. There it is benchmark_model too: it replays recorded output by
the flags that it was given, and what it is to compute it computes with LiteRT.

$STAND_IN_DOES tells it to "crash", "crash_once", "hang" or "lose" the connection over a file;
$STAND_IN_BATCH that several samples are "refused", or run more on the "cpu", or that outputs come "short"
or there are "none"; $STAND_IN_RECORD what to replay instead; $STAND_IN_ENDS how a line ends.
"""

# ruff: noqa: T201  # a program writes

# One test starts it a hundred times: what few calls need is imported there.
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

RECORDED = Path(__file__).parent / "recorded"

GETPROP = """[ro.boot.qemu]: [0]
[ro.build.fingerprint]: [example/phone8/phone8:14/AP2A.240805.005/1:user/release-keys]
[ro.build.version.release]: [14]
[ro.product.cpu.abi]: [arm64-v8a]
[ro.product.manufacturer]: [Example]
[ro.product.model]: [Phone 8]
[ro.soc.model]: [EX-1000]
"""

BATTERY = """Current Battery Service state:
  AC powered: false
  USB powered: true
  Wireless powered: false
  Max charging current: 500000
  status: 2
  present: true
  level: 87
  scale: 100
  voltage: 4231
  temperature: 283
  technology: Li-ion
"""

START = "import sys\nsys.path.append({!r})\nimport stand_in_adb\nsys.exit(stand_in_adb.main())\n"

ZONES = {"cpu-0-0-usr": "41200", "cpu-1-0-usr": "43900", "skin": "52000", "modem": "-40000"}


def install(folder: Path, phones: Mapping[str, str]) -> str:
    """Puts it there with these phones (serial: state), and gives the path of its adb."""
    source = f"#!{sys.executable} -IS\n{START.format(str(Path(__file__).parent))}"  # without packages it starts sooner
    (folder / "bin").mkdir(parents=True)
    programs = {"adb": source, "benchmark_model": source, "bin/getprop": told(GETPROP), "bin/dumpsys": told(BATTERY)}
    for name, program in programs.items():
        (folder / name).write_text(program)
        (folder / name).chmod(0o755)
    (folder / "recorded").symlink_to(RECORDED)
    (folder / "phones").mkdir()
    for serial, state in phones.items():
        (folder / "phones" / serial).write_text(state)
        phone = folder / serial
        (phone / "tmp").mkdir(parents=True)
        for number, (kind, temperature) in enumerate(ZONES.items()):
            zone = phone / f"sys/class/thermal/thermal_zone{number}"
            zone.mkdir(parents=True)
            (zone / "type").write_text(f"{kind}\n")
            (zone / "temp").write_text(f"{temperature}\n")
    return str(folder / "adb")


def told(text: str) -> str:
    """A program that writes it."""
    return f"#!/bin/sh\ncat <<'END'\n{text}END\n"


def adb(folder: Path, arguments: list[str]) -> int:
    """What adb does with its arguments; its exit status."""
    with (folder / "calls").open("a") as calls:
        calls.write(f"{arguments!r}\n")
    phones = {path.name: path.read_text() for path in sorted((folder / "phones").iterdir())}
    if arguments[0] == "devices":
        lines = (f"{serial:<22} {state} usb:1-{number}" for number, (serial, state) in enumerate(phones.items(), 1))
        print("* daemon started successfully", "List of devices attached", *lines, "", sep="\n")
        return 0
    _, serial, what, *rest = arguments
    if phones.get(serial) != "device" or (folder / "gone").exists():
        state = phones.get(serial) if not (folder / "gone").exists() else None
        print(
            f"adb: device '{serial}' not found" if state in (None, "device") else f"error: device {state}",
            file=sys.stderr,
        )
        return 1
    if what in ("push", "pull"):
        paths = [place(folder / serial, path) if (what == "push") == bool(n) else path for n, path in enumerate(rest)]
        return copy(what, *paths)
    return shell(folder, serial, rest[0])


def place(phone: Path, text: str) -> str:
    """Paths of the phone as they are here."""
    return text.replace("/data/local/tmp", str(phone / "tmp")).replace("/sys/", f"{phone}/sys/")


def copy(what: str, source: str, target: str) -> int:
    import shutil

    try:
        shutil.copyfile(source, target)
    except OSError as error:
        print(f"adb: error: failed to copy '{source}' to '{target}': {error.strerror}", file=sys.stderr)
        return 1
    print(f"{source}: 1 file {what}ed, 0 skipped. 30.1 MB/s")
    return 0


def shell(folder: Path, serial: str, command: str) -> int:
    """Runs a command as the phone's shell; both streams come by one, as its own exit status does."""
    environment = os.environ | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    script = ["sh", "-c", place(folder / serial, command)]
    losing = os.environ.get("STAND_IN_DOES") == "lose" and "--graph=" in command
    if not losing and "STAND_IN_ENDS" not in os.environ:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(1, 2)
        os.execvpe(script[0], script, environment)
    import subprocess

    process = subprocess.Popen(
        script, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
    )
    assert process.stdout is not None
    if losing:
        sys.stdout.buffer.write(process.stdout.readline())
        while not (folder / "process").exists():
            time.sleep(0.01)
        (folder / "gone").touch()
        return 255
    for line in process.stdout:
        sys.stdout.buffer.write(line.replace(b"\n", os.environ.get("STAND_IN_ENDS", "\n").encode()))
        sys.stdout.flush()
    return process.wait()


def benchmark_model(folder: Path, arguments: list[str]) -> int:
    """What the tool does with its flags; its exit status."""
    flags = dict(argument.removeprefix("--").split("=", 1) for argument in arguments)
    misbehave(folder)
    text = (folder / "recorded" / f"{record(flags)}.txt").read_text()
    print(text, end="")
    if "Benchmarking failed." in text:
        return 1
    if "output_filepath" in flags and "Unconsumed cmdline flags: --output_filepath" not in text:
        outputs = compute(flags)
        if "none" not in batch():
            Path(flags["output_filepath"]).write_bytes(outputs[: len(outputs) // 2] if "short" in batch() else outputs)
    return 0


def batch() -> list[str]:
    """What goes wrong with samples."""
    return os.environ.get("STAND_IN_BATCH", "").split()


def misbehave(folder: Path) -> None:
    does = os.environ.get("STAND_IN_DOES", "")
    if does in ("hang", "lose"):
        (folder / "process").write_text(str(os.getpid()))
        print("INFO: STARTING!", flush=True)
        time.sleep(600)
    if does == "crash" or (does == "crash_once" and not (folder / "crashed").exists()):
        (folder / "crashed").touch()
        print("INFO: STARTING!", flush=True)
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.kill(os.getpid(), signal.SIGSEGV)


def record(flags: Mapping[str, str]) -> str:
    """Which recorded output is replayed."""
    if Path(flags["graph"]).read_bytes()[4:8] != b"TFL3":
        return "no_model"
    if forced := os.environ.get("STAND_IN_RECORD"):
        return forced
    several = not flags.get("input_layer_shape", "1,").startswith("1,")
    if several and "refused" in batch():
        return "fixed_batch"
    delegate = next((name for name in ("gpu", "nnapi", "hexagon") if f"use_{name}" in flags), "xnnpack")
    if several and "cpu" in batch():
        return "gpu_few"
    if flags.get("use_xnnpack") == "false":
        delegate = "builtin"
    if "delegate_serialize_token" in flags:
        kept = Path(flags["delegate_serialize_dir"]) / flags["delegate_serialize_token"]
        if kept.exists():
            return "gpu_serialized"
        kept.touch()
    return f"{delegate}_profile" if "enable_op_profiling" in flags and delegate != "hexagon" else delegate


def compute(flags: Mapping[str, str]) -> bytes:
    """The outputs of the file, really."""
    import site

    site.main()
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(flags["graph"], num_threads=1)
    entry = interpreter.get_input_details()[0]
    shape = [int(length) for length in flags["input_layer_shape"].split(",")]
    interpreter.resize_tensor_input(entry["index"], shape)
    interpreter.allocate_tensors()
    name, _, path = flags["input_layer_value_files"].partition(":")
    assert name == flags["input_layer"]
    interpreter.set_tensor(entry["index"], np.fromfile(path, entry["dtype"]).reshape(shape))
    interpreter.invoke()
    return b"".join(interpreter.get_tensor(exit_["index"]).tobytes() for exit_ in interpreter.get_output_details())


def main() -> int:
    name, folder = Path(sys.argv[0]).name, Path(os.environ["STAND_IN"])
    if name == "adb":
        return adb(folder, sys.argv[1:])
    return benchmark_model(folder, sys.argv[1:])
