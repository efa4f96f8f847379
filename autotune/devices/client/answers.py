"""What a runner answers, taken only where it is what was asked for: what comes from a device may be anything."""

import io
from dataclasses import MISSING, fields
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autotune.devices.device import OperatorTime, Timing
from autotune.task.data.npy import read_array

_WAYS = {"ok": dict, "refused": str, "died": str, "broken": str}
"""How a request may end, and what is told of it."""

_MOST_CORES = 65_536


def checked(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer's object.

    Raises:
        ValueError: it doesn't say how the request ended.
    """
    said = [way for way in _WAYS if way in answer]
    _check(len(said) == 1 and isinstance(answer[said[0]], _WAYS[said[0]]), "how it ended")
    _check(_are(answer.get("said", []), str), "what was printed")
    return answer


def timing(values: dict[str, Any]) -> Timing:
    """A block of timed inferences.

    Raises:
        ValueError: it is none.
    """
    found = Timing(**_known(values, Timing))
    _check(bool(found.times_us) and all(time > 0 for time in _numbers(found.times_us)), "times_us")
    _check(min(_numbers([found.first_us, found.init_us, found.init_serialized_us or 0.0])) >= 0, "first_us and init_us")
    _numbers([value for value in (found.memory_bytes, found.others) if value is not None])
    for count in (found.operators, found.delegated, found.memory_bytes):
        _check(count is None or (type(count) is int and count >= 0), "operators, delegated and memory_bytes")
    _check(_are(found.fell_back, str), "fell_back")
    for ends in (found.frequency_mhz, found.temperature_c):
        _check(ends is None or len(_numbers(ends)) == 2, "frequency_mhz and temperature_c")
    return found


def windows(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Latency over time: each second's at_s, times_us and what the machine was like.

    Raises:
        ValueError: it is none.
    """
    found = values.get("windows")
    _check(_are(found, dict) and bool(found), "windows")
    assert found is not None
    for window in found:
        _numbers([window.get("at_s")])
        timing({"first_us": 0.0, "init_us": 0.0, **window})
    return list(found)


def operators(values: dict[str, Any]) -> list[OperatorTime] | None:
    """What each operator took, None where the runtime can't tell.

    Raises:
        ValueError: it is neither.
    """
    rows = values.get("operators")
    if rows is None:
        return None
    _check(_are(rows, dict), "operators")
    found = [OperatorTime(**_known(row, OperatorTime)) for row in rows]
    for one in found:
        _check(_are([one.name, one.kind, one.delegate], str), "an operator's name, kind and delegate")
        _check(min(_numbers([one.time_us, one.start_us])) >= 0, "an operator's times")
    return found


def outputs(data: bytes, count: int) -> NDArray[np.float32]:
    """Outputs (count, …) for so many samples, from an .npy file.

    Raises:
        ValueError: it is none, or of others.
    """
    found = read_array(io.BytesIO(data), len(data))
    _check(found.dtype == np.float32 and found.shape[:1] == (count,), f"outputs of {count} samples")
    return found


def batch(values: dict[str, Any]) -> int:
    """How many samples were run at once.

    Raises:
        ValueError: it doesn't say.
    """
    found = values.get("batch")
    _check(type(found) is int and found > 0, "batch")
    assert found is not None
    return int(found)


def facts(values: dict[str, Any]) -> dict[str, Any]:
    """What there is to know about a machine: texts and numbers, its cores among them.

    Raises:
        ValueError: it has others, or tells no cores.
    """
    cores = values.get("cores")
    _check(type(cores) is int and 0 < cores <= _MOST_CORES, "cores")
    _check(all(value is None or isinstance(value, str | int | float) for value in values.values()), "facts")
    _numbers([values[key] for key in ("memory_bytes", "load") if values.get(key) is not None])
    return values


def temperature(values: dict[str, Any]) -> float | None:
    """Degrees Celsius, None where the machine can't tell.

    Raises:
        ValueError: it is neither.
    """
    found = values.get("temperature_c")
    return None if found is None else _numbers([found])[0]


def holder(values: dict[str, Any]) -> str | None:
    """Who holds the lease, None where it is ours now.

    Raises:
        ValueError: it doesn't say.
    """
    _check(isinstance(values.get("held"), bool), "held")
    return None if values["held"] else str(values.get("by"))


def _known(values: dict[str, Any], kind: Any) -> dict[str, Any]:
    """The fields of a dataclass; what a newer runner says besides is left out."""
    found = {field.name: values[field.name] for field in fields(kind) if field.name in values}
    needed = {field.name for field in fields(kind) if field.default is field.default_factory is MISSING}
    _check(needed <= found.keys(), ", ".join(sorted(needed)))
    return found


def _numbers(values: Any) -> list[float]:
    """The numbers as they are, if they are finite."""
    fine = isinstance(values, list) and all(type(value) in (int, float) and -inf < value < inf for value in values)
    _check(fine, "numbers")
    return list(values)


def _are(values: Any, kind: type) -> bool:
    return isinstance(values, list) and all(isinstance(value, kind) for value in values)


def _check(fine: bool, what: str) -> None:
    if not fine:
        raise ValueError(f"without {what} as they should be")
