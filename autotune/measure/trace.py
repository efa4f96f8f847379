"""A profile as a file that Perfetto and chrome://tracing open."""

from collections.abc import Sequence

from autotune.json_object import JsonObject
from autotune.results.profile import OperatorTime

PROCESS = 1

GAP_US = 0.002
"""Taken from each event's end: Perfetto cuts times to whole nanoseconds, and events must not overlap then."""


def trace_json(operators: Sequence[OperatorTime], title: str) -> JsonObject:
    """One inference in the Trace Event Format (JSON object form), to be written by json.dump.

    Each operator is a complete event of its kind's name, which is what viewers colour by; what
    runs operators, a delegate or the runtime's own kernels, is a thread.

    Args:
        operators: in the order in which they run.
        title: of the process, such as the file's name and its runtime.
    """
    threads = {delegate: at for at, delegate in enumerate(dict.fromkeys(part.delegate for part in operators), 1)}
    return {
        "displayTimeUnit": "ns",
        "traceEvents": [
            _name("process_name", 0, title),
            *(_name("thread_name", thread, delegate or "LiteRT's kernels") for delegate, thread in threads.items()),
            *(
                {
                    "ph": "X",
                    "name": part.kind,
                    "cat": "operator",
                    "pid": PROCESS,
                    "tid": threads[part.delegate],
                    "ts": round(part.start_us, 3),
                    "dur": round(max(0.0, part.time_us - GAP_US), 3),
                    "args": {"name": part.name},
                }
                for part in operators
            ),
        ],
    }


def _name(what: str, thread: int, name: str) -> JsonObject:
    """Metadata: what a process or thread is called."""
    return {"ph": "M", "name": what, "pid": PROCESS, "tid": thread, "args": {"name": name}}
