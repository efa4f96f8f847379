"""What a trace viewer asks of the file."""

import json
from typing import Any

import numpy as np

from autotune.measure.trace import trace_json
from autotune.results.profile import OperatorTime

OPERATORS = [
    OperatorTime("Relu", "Convolution (NHWC, F32) IGEMM", 7.5, 0.0, "xnnpack"),
    OperatorTime("Cumsum", "CUMSUM", 0.25, 7.5, ""),
    OperatorTime('a "name"\n', "Softmax", 0.0, 7.75, "xnnpack"),
]


def _written(operators: list[OperatorTime]) -> dict[str, Any]:
    """As a viewer reads it: NaN and infinity are no JSON."""
    found: dict[str, Any] = json.loads(json.dumps(trace_json(operators, "a.tflite"), allow_nan=False))
    return found


def _events(trace: dict[str, Any], phase: str) -> list[dict[str, Any]]:
    return [event for event in trace["traceEvents"] if event["ph"] == phase]


def test_every_operator_is_a_complete_event() -> None:
    """With what the format requires of one, in microseconds, in the order in which they run."""
    events = _events(_written(OPERATORS), "X")
    assert [event["name"] for event in events] == [operator.kind for operator in OPERATORS]
    assert [event["args"]["name"] for event in events] == [operator.name for operator in OPERATORS]
    for event, operator in zip(events, OPERATORS, strict=True):
        assert {"name", "cat", "ph", "ts", "dur", "pid", "tid", "args"} == event.keys()
        assert isinstance(event["pid"], int)
        assert isinstance(event["tid"], int)
        assert event["ts"] == operator.start_us
        assert 0 <= operator.time_us - event["dur"] < 0.0021


def test_process_and_threads_are_named() -> None:
    """The process by the title, a thread for each delegate and one for the runtime's own kernels."""
    trace = _written(OPERATORS)
    names = {(event["name"], event["tid"]): event["args"]["name"] for event in _events(trace, "M")}
    assert names.pop(("process_name", 0)) == "a.tflite"
    assert names == {("thread_name", 1): "xnnpack", ("thread_name", 2): "LiteRT's kernels"}
    assert [event["tid"] for event in _events(trace, "X")] == [1, 2, 1]
    assert {event["pid"] for event in trace["traceEvents"]} == {1}


def test_events_do_not_overlap_in_whole_nanoseconds() -> None:
    """Viewers that cut times to nanoseconds drop an event that reaches into the next."""
    times = np.random.default_rng(0).integers(0, 90_000, 2_000) / 2_000
    starts = np.concatenate([[0.0], np.cumsum(times)[:-1]])
    operators = [OperatorTime("", "ADD", *pair, "") for pair in zip(times.tolist(), starts.tolist(), strict=True)]
    events = _events(_written(operators), "X")
    begins = [int(event["ts"] * 1000) for event in events]
    ends = [begin + int(event["dur"] * 1000) for begin, event in zip(begins, events, strict=True)]
    assert all(end <= begin for end, begin in zip(ends, begins[1:], strict=False))


def test_nothing_profiled_is_still_a_trace() -> None:
    """A file without operators."""
    assert [event["name"] for event in _written([])["traceEvents"]] == ["process_name"]
