"""What a runner answers, taken only where it is what was asked for: what comes from a device may be anything."""

import io
from dataclasses import MISSING, fields
from math import inf

import numpy as np

from autotune.devices.device import Timing, Window
from autotune.json_object import JsonObject
from autotune.results.meta import DeviceFacts
from autotune.results.profile import OperatorTime
from autotune.task.data.fields import Array
from autotune.task.data.npy import read_array

_WAYS = {"ok": dict, "refused": str, "died": str, "broken": str}
"""How a request may end, and what is told of it."""

_MOST_CORES = 65_536


def checked(answer: JsonObject) -> JsonObject:
    """An answer's object.

    Raises:
        ValueError: it doesn't say how the request ended.
    """
    said = [way for way in _WAYS if way in answer]
    _check(len(said) == 1 and isinstance(answer[said[0]], _WAYS[said[0]]), "how it ended")
    _check(_are(answer.get("said", []), str), "what was printed")
    return answer


def timing(values: JsonObject) -> Timing:
    """A block of timed inferences.

    Raises:
        ValueError: it is none.
    """
    block = Timing(**_fields(values, Timing))
    _check_times(block)
    _check(min(_numbers([block.first_us, block.init_us, block.init_serialized_us or 0.0])) >= 0, "first_us and init_us")
    _numbers([value for value in (block.memory_bytes, block.others) if value is not None])
    for count in (block.operators, block.delegated, block.memory_bytes):
        _check(count is None or (type(count) is int and count >= 0), "operators, delegated and memory_bytes")
    _check(_are(block.fell_back, str), "fell_back")
    return block


def windows(values: JsonObject) -> list[Window]:
    """Latency over time.

    Raises:
        ValueError: it is none.
    """
    rows = values.get("windows")
    _check(_are(rows, dict) and bool(rows), "windows")
    seconds = [Window(**_fields(row, Window)) for row in rows or ()]
    for window in seconds:
        _numbers([window.at_s])
        _check_times(window)
    return seconds


def operators(values: JsonObject) -> list[OperatorTime] | None:
    """What each operator took, None where the runtime can't tell.

    Raises:
        ValueError: it is neither.
    """
    rows = values.get("operators")
    if rows is None:
        return None
    _check(_are(rows, dict), "operators")
    times = [OperatorTime(**_fields(row, OperatorTime)) for row in rows]
    for time in times:
        _check(_are([time.name, time.kind, time.delegate], str), "an operator's name, kind and delegate")
        _check(min(_numbers([time.time_us, time.start_us])) >= 0, "an operator's times")
    return times


def outputs(data: bytes, count: int) -> Array:
    """Outputs (count, …) for so many samples, from an .npy file; of several outputs a structured array.

    Raises:
        ValueError: it is none, or of others.
    """
    array = read_array(io.BytesIO(data), len(data))
    kinds = [array.dtype] if array.dtype.fields is None else [kind.base for kind, *_ in array.dtype.fields.values()]
    _check(all(kind == np.float32 for kind in kinds) and array.shape[:1] == (count,), f"outputs of {count} samples")
    return array


def batch(values: JsonObject) -> int:
    """How many samples were run at once.

    Raises:
        ValueError: it doesn't say.
    """
    samples = values.get("batch")
    if type(samples) is not int or samples <= 0:
        raise _wrong("batch")
    return samples


def facts(values: JsonObject, device: str) -> DeviceFacts:
    """What there is to know about a machine: texts and numbers, its cores among them.

    Args:
        values: as the runner tells them.
        device: the machine's name.

    Raises:
        ValueError: it has others, or tells no cores.
    """
    cores = values.get("cores")
    _check(type(cores) is int and 0 < cores <= _MOST_CORES, "cores")
    _check(all(value is None or isinstance(value, str | int | float) for value in values.values()), "facts")
    _numbers([values[key] for key in ("memory_bytes", "load") if values.get(key) is not None])
    return DeviceFacts.from_json({"device": device, **values})


def temperature(values: JsonObject) -> float | None:
    """In °C, None where the machine can't tell.

    Raises:
        ValueError: it is neither.
    """
    degrees = values.get("temperature_c")
    return None if degrees is None else _numbers([degrees])[0]


def holder(values: JsonObject) -> str | None:
    """Who holds the lease, None where it is ours now.

    Raises:
        ValueError: it doesn't say.
    """
    _check(isinstance(values.get("held"), bool), "held")
    return None if values["held"] else str(values.get("by"))


def _fields(values: JsonObject, kind: type[OperatorTime | Timing | Window]) -> JsonObject:
    """The fields of a dataclass; what a newer runner says besides is left out."""
    present = {field.name: values[field.name] for field in fields(kind) if field.name in values}
    needed = {field.name for field in fields(kind) if field.default is field.default_factory is MISSING}
    _check(needed <= present.keys(), ", ".join(sorted(needed)))
    return present


def _check_times(block: Timing | Window) -> None:
    times = _numbers(block.times_us)
    _check(bool(times) and min(times) > 0, "times_us")
    for before_and_after in (block.frequency_mhz, block.temperature_c):
        fits = before_and_after is None or len(_numbers(before_and_after)) == 2
        _check(fits, "frequency_mhz and temperature_c")


def _numbers(values: object) -> list[float]:
    """As they are, if they are finite numbers."""
    if not isinstance(values, list) or not all(type(value) in (int, float) and -inf < value < inf for value in values):
        raise _wrong("numbers")
    return list(values)


def _are(values: object, kind: type) -> bool:
    return isinstance(values, list) and all(isinstance(value, kind) for value in values)


def _check(fine: bool, what: str) -> None:
    if not fine:
        raise _wrong(what)


def _wrong(what: str) -> ValueError:
    return ValueError(f"without {what} as they should be")
