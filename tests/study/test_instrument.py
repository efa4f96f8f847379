"""What is known of files' latency, and what is measured."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import pytest

from autotune.config import Runtime
from autotune.measure.rounds import Job
from autotune.study import instrument
from autotune.study.instrument import Instrument
from autotune.study.latency_cache import LatencyCache
from autotune.study.usage import Usage
from autotune.testing import FakeDevice


class _Builder:
    """What an Instrument wants of a Builder here."""

    usage = Usage(lambda _: None)


def test_rough_measurements_are_kept_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are taken from the cache by who wants no better, and by nobody else."""
    monkeypatch.setattr(instrument, "structure", bytes.hex)
    file = tmp_path / "toy.tflite"
    file.write_text('[["convert", {"scheme": "none"}]]')
    device = FakeDevice()
    with device.open() as session:
        latencies = LatencyCache(tmp_path / "latency", device.facts())
        measuring = Instrument(cast(Any, _Builder()), session, latencies, nullcontext, lambda _: None, lambda: None)
        rounds = []
        for rough in (True, True, False, False):
            device.calls.clear()
            measuring.measure_files([Job(file, Runtime())], lambda: False, rough=rough)
            rounds.append(len(device.calls))
    assert rounds[0] > 0
    assert rounds[1] == 0
    assert rounds[2] > 0
    assert rounds[3] == 0
