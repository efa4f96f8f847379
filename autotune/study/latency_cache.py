"""What structures take on a device, kept between studies: latency belongs to structure, not to weights."""

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

from autotune.config import Runtime, fingerprint
from autotune.files import make_way, whole
from autotune.results.measurement import Measurement
from autotune.results.meta import DeviceFacts

VERSION = 1
"""Of the way to measure: raised where older measurements no longer compare."""

CHANGED = 0.05
"""Relative change of the baseline's latency above which a device is no longer what it was."""

_FLEETING = ("load", "temperature_c", "battery_temperature_c", "battery_percent", "powered")
"""Facts of a device that don't tell it from others."""


@dataclass(frozen=True)
class _Entry:
    """A measurement, and when it was kept (Unix time)."""

    at: float
    measurement: Measurement


class LatencyCache:
    """Stable measurements by (structure, runtime, device)."""

    def __init__(self, folder: Path, device: DeviceFacts) -> None:
        """
        Args:
            folder: to keep them in.
            device: where what it tells changes, all is measured anew.
        """
        self._folder = folder
        self._device = {name: value for name, value in device.to_json().items() if name not in _FLEETING}
        self._mark = folder / f"{fingerprint(self._device)[:16]}.since"
        self._since = time.time()  # nothing is trusted before anchor()

    def get(self, structure: str, runtime: Runtime) -> Measurement | None:
        """What was measured, None where it was not, or is not to be trusted any more."""
        entry = self._read(structure, runtime)
        return None if entry is None or entry.at < self._since else entry.measurement

    def put(self, structure: str, runtime: Runtime, measurement: Measurement) -> None:
        """Keeps a measurement if it is stable."""
        if measurement.stable:
            path = self._path(structure, runtime)
            content = {"at": time.time(), "measurement": measurement.to_json()}
            _write(path, json.dumps(content | {"sha256": fingerprint(path.stem, content)}))

    def anchor(self, structure: str, runtime: Runtime, fresh: Measurement) -> str | None:
        """Holds a new measurement of something known against the old one.

        Where both agree, what was kept since the device last changed is trusted from now on. Where they
        don't, nothing older is, by no later study either.

        Returns:
            Why nothing of earlier studies is reused; None where it is, or where there is nothing to compare.
        """
        entry = self._read(structure, runtime)
        change = 0.0 if entry is None else fresh.p50_ms / entry.measurement.p50_ms - 1
        if abs(change) > CHANGED:
            self._since = time.time()
            _write(self._mark, str(self._since))
        elif entry is not None:
            self._since = self._changed()
        self.put(structure, runtime, fresh)
        if abs(change) <= CHANGED:
            return None
        more = "more" if change > 0 else "less"
        return f"the baseline takes {abs(change):.0%} {more} time than in earlier studies: nothing of theirs is reused"

    def _changed(self) -> float:
        """When the device was last seen to have changed."""
        try:
            return float(self._mark.read_text())
        except (OSError, ValueError):
            return 0.0

    def _read(self, structure: str, runtime: Runtime) -> _Entry | None:
        try:
            path = self._path(structure, runtime)
            content = json.loads(path.read_bytes())
            checksum = content.pop("sha256", None)  # those from before have none
            measurement = Measurement.from_json(content["measurement"])
            if checksum not in (None, fingerprint(path.stem, content)):
                return None
            return _Entry(float(content["at"]), replace(measurement, p50_ms=float(measurement.p50_ms)))
        except (OSError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError):
            # Damaged: measured anew.
            return None

    def _path(self, structure: str, runtime: Runtime) -> Path:
        key = fingerprint(VERSION, structure, runtime.delegate, runtime.threads, self._device)
        return self._folder / key[:2] / f"{key}.json"


def _write(path: Path, text: str) -> None:
    make_way(path)
    with whole(path) as file:
        file.write_text(text)
