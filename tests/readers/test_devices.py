"""What devices say, whatever it is: a runner's frames and answers, the words of benchmark_model and adb."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.config import Runtime
from autotune.devices.android import benchmark_model as tool
from autotune.devices.android import phone
from autotune.devices.client import answers
from autotune.devices.client.device import PROBE
from autotune.devices.client.session import RunnerSession
from autotune.devices.device import Timing
from autotune.devices.runner.frames import read_frame
from autotune.errors import Fault, Infeasible
from autotune.measure.statistics import summary
from tests.devices.android.stand_in_adb import RECORDED
from tests.devices.here import Here
from tests.readers.contract import read_or_refused
from tests.readers.mutations import damaged, reshaped

XNNPACK = Runtime("xnnpack", 1)
TIMES = {"times_us": [101.5, 99, 100.25], "first_us": 300.0, "init_us": 1200.0}
SEEN = {"others": 0.1, "frequency_mhz": [2400.0, 2400.0], "temperature_c": [40.0, 41.0]}
LATENCY = {**TIMES, **SEEN, "memory_bytes": 4096, "operators": 5, "delegated": 4, "fell_back": ["SOFTMAX"]}
OPERATOR = {"name": "out", "kind": "CONV_2D", "time_us": 10.0, "start_us": 0.0, "delegate": "xnnpack"}
FACTS = {"machine": "aarch64", "cores": 4, "memory_bytes": 10**9, "litert": "2.3", "load": 0.5, "governor": None}
STATE = {"at_s": 1.0, "busy_s": 2.0, "own_s": 0.5, "frequency_mhz": None, "temperature_c": 40.0, "load": 0.1}

OUTPUTS = io.BytesIO()
np.save(OUTPUTS, np.zeros((5, 3), np.float32))

QUESTIONS: dict[str, tuple[dict[str, Any], Callable[[RunnerSession, Path], Any]]] = {
    "latency": (LATENCY, lambda session, _: summary([session.latency(PROBE, XNNPACK)])),
    "sustain": ({"windows": [{"at_s": 0.0, **TIMES, **SEEN}]}, lambda session, _: session.sustain(PROBE, XNNPACK, 1)),
    "profile": ({"operators": [OPERATOR, OPERATOR]}, lambda session, _: session.profile(PROBE, XNNPACK)),
    "outputs": ({"batch": 5}, lambda session, inputs: session.outputs(PROBE, XNNPACK, inputs)),
    "facts": (FACTS, lambda session, _: session.facts()),
    "temperature": (STATE, lambda session, _: session.temperature()),
    "lease": ({"held": True, "by": ""}, lambda session, _: session._lease("shared")),
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("devices") / "inputs.npy"
    np.save(path, np.zeros((5, 2), np.float32))
    return path


@given(content=damaged(json.dumps({"ok": LATENCY, "bytes": 5}).encode() + b"\n12345") | st.binary(max_size=40))
def test_frames(content: bytes) -> None:
    """One comes, or none, or what comes is no answer."""

    def answered() -> Any:
        frame = read_frame(io.BytesIO(content))
        return frame and answers.checked(frame[0])

    read_or_refused(answered, (ValueError,))


@given(answer=reshaped({"ok": {}, "said": ["a line"]}) | reshaped({"refused": "why"}) | reshaped({"died": "SIGSEGV"}))
def test_ends_of_a_request(inputs: Path, answer: Any) -> None:
    """What passes is a result, or a reason in words."""
    if not isinstance(answer, dict):
        return  # read_frame() has refused it
    checked = read_or_refused(lambda: answers.checked(answer), (ValueError,))
    if checked is not None:
        read_or_refused(lambda: asked("facts", inputs, checked), (Fault, Infeasible))


@pytest.mark.parametrize("question", QUESTIONS)
@given(draw=st.data())
def test_answers(inputs: Path, question: str, draw: st.DataObject) -> None:
    """A device that says anything else than it was asked for is at fault, once and in one line."""
    right, _ = QUESTIONS[question]
    answer = draw.draw(reshaped(right) if question != "outputs" else st.just(right) | reshaped(right))
    data = draw.draw(st.just(OUTPUTS.getvalue()) | damaged(OUTPUTS.getvalue()))
    if isinstance(answer, dict):
        read_or_refused(lambda: asked(question, inputs, {"ok": answer}, data), (Fault, Infeasible))


def asked(question: str, inputs: Path, answer: dict[str, Any], data: bytes = b"") -> Any:
    """What comes of a question that is answered so."""
    session = RunnerSession(Here(inputs.parent))
    session._sent = _Everything()

    def exchange(request: dict[str, Any], *_: Any) -> tuple[dict[str, Any], bytes]:
        return ({"ok": {"have": True}}, b"") if request["do"] in ("have", "put") else (dict(answer), data)

    session._connection = SimpleNamespace(exchange=exchange, process=None)  # type: ignore[assignment]
    return QUESTIONS[question][1](session, inputs)


class _Everything(set[str]):
    """All files are there."""

    def __contains__(self, _: object) -> bool:
        return True


@pytest.mark.parametrize("name", sorted(path.stem for path in RECORDED.glob("*.txt")))
@given(draw=st.data())
def test_words_of_benchmark_model(name: str, draw: st.DataObject) -> None:
    """Recorded outputs that were damaged: times that can be summed up, or a reason."""
    content = draw.draw(damaged((RECORDED / f"{name}.txt").read_bytes(), most=6))
    text = content.decode(errors="replace")

    def read() -> None:
        run = tool.Run.parse(text)
        summary([Timing(run.regular.times(), run.first_us, run.init_us, memory_bytes=run.memory_bytes)])

    read_or_refused(read, (ValueError,))
    read_or_refused(lambda: tool.operators(text), (ValueError,))
    read_or_refused(lambda: tool.delegation(text, "xnnpack"), (ValueError,))
    assert isinstance(tool.problem(text), str)
    assert isinstance(tool.unused(text, "gpu"), str)


ZONES = "zone 45000 cpu-0\nzone -1 gpu\nzone 38500 battery\n  level: 80\n  temperature: 301\n  AC powered: true\n"
LISTED = "List of devices attached\nEXAMPLE0001 device product:x model:Y\nemulator-5554 offline\n"
ABOUT = "[ro.product.cpu.abi]: [arm64-v8a]\n[ro.soc.model]: [X1]\n"
ABOUT += "cores 8\nmemory 7654321 kB\ngovernor schedutil\ntool 12ab\n"


@given(draw=st.data())
def test_words_of_adb(draw: st.DataObject) -> None:
    """What a phone tells of itself; what can't be read it does not tell."""

    def told(text: str) -> str:
        return draw.draw(damaged(text.encode())).decode(errors="replace")

    found = phone.conditions(told(ZONES))
    degrees = found.temperature_c, found.battery_temperature_c
    assert all(value is None or -1000 < value < 1000 for value in degrees)
    for serial in phone.listed(told(LISTED)):
        assert serial.strip() == serial
    facts = phone.described(told(ABOUT), "EXAMPLE0001")
    assert 0 < facts["cores"] <= 1024


SEEDS: list[tuple[str, dict[str, Any]]] = [
    ("latency", {"ok": {}}),
    ("latency", {"ok": LATENCY | {"times_us": []}}),
    ("latency", {"ok": LATENCY | {"times_us": [0.0]}}),
    ("latency", {"ok": LATENCY | {"times_us": "fast"}}),
    ("latency", {"ok": LATENCY | {"memory_bytes": float("nan")}}),
    ("latency", {"ok": LATENCY | {"frequency_mhz": [1]}}),
    ("latency", {"ok": LATENCY | {"newer": 1}}),
    ("profile", {"ok": {"operators": [{"name": "out"}]}}),
    ("sustain", {"ok": {"windows": []}}),
    ("outputs", {"ok": {"batch": 0}}),
    ("facts", {"ok": {"cores": "many"}}),
    ("facts", {"ok": {"cores": 10**400}}),
    ("temperature", {"ok": {"temperature_c": "warm"}}),
    ("lease", {"ok": {}}),
]


@pytest.mark.parametrize(("question", "answer"), SEEDS)
def test_kept_answers(inputs: Path, question: str, answer: dict[str, Any]) -> None:
    """What once ended in a traceback: a Fault of the device, save where a newer runner only says more."""
    if "newer" in answer["ok"]:
        assert asked(question, inputs, answer) is not None
        return
    with pytest.raises(Fault, match="what it says is no answer"):
        asked(question, inputs, answer, OUTPUTS.getvalue())


@pytest.mark.parametrize(
    ("old", "new"),
    [("count=", "count=9999999999"), ("min=", "min=0 was="), ("avg=", "avg=1.2.3 was="), ("Init: ", "Init: 1e999")],
)
def test_kept_words_of_benchmark_model(old: str, new: str) -> None:
    """Counts that would be written out, times of nothing, numbers that are none."""
    text = (RECORDED / "xnnpack.txt").read_text()
    assert old in text
    with pytest.raises(ValueError, match=r"told no|could not convert"):
        tool.Run.parse(text.replace(old, new))
