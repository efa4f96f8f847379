"""What is asked of a file, in this process."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.devices.runner import inference
from tests.devices.several import several
from tests.tflite import stateful


def test_all_inputs_are_written_and_all_outputs_read(tmp_path: Path) -> None:
    """What is not written is whatever the memory held, and what is not read is not timed."""
    request = {"path": str(several(tmp_path)), "threads": 1, "delegate": "builtin", "state": ""}
    model = inference.Interpreted(request)  # type: ignore[no-untyped-call]
    samples = [np.array([[-1.0, 2.0]], np.float32), np.array([[3.0, -4.0, 5.0, -6.0]], np.float32)]
    found = model.infer(samples)  # type: ignore[no-untyped-call]
    assert [one.tolist() for one in found] == [[[1.0, 2.0]], [[3.0, 4.0, 5.0, 6.0]]]


def test_integers_reach_a_quantized_input_as_they_are() -> None:
    """They are its own; floats are scaled, and an input that is not quantized takes either in its own type."""
    entry = {"quantization": (1 / 255, 0), "dtype": np.uint8}
    assert inference.encoded(np.array([[7, 255]], np.uint8), entry).tolist() == [[7, 255]]
    assert inference.encoded(np.array([[0.2, 2.0]], np.float32), entry).tolist() == [[51, 255]]
    plain = {"quantization": (0.0, 0), "dtype": np.int32}
    assert inference.encoded(np.array([[7.0]], np.float32), plain).dtype == np.int32


def test_latency_gives_every_input_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random ones, of its own shape."""
    given: list[Any] = []
    infer: Any = inference.Interpreted.infer

    def noted(model: Any, samples: Any) -> Any:
        given.extend(samples)
        return infer(model, samples)

    monkeypatch.setattr(inference.Interpreted, "infer", noted)
    request = {"path": str(several(tmp_path)), "threads": 1, "delegate": "builtin", "state": "", "seconds": 0.0}
    inference.latency(request)  # type: ignore[no-untyped-call]
    assert [one.shape for one in given[:2]] == [(1, 2), (1, 4)]
    assert all(one.any() for one in given)


@pytest.mark.parametrize("kept", ["variables", "resources"])
@pytest.mark.parametrize("delegate", inference.CPU)
def test_state_is_what_it_was_at_first_before_each_sample(delegate: str, kept: str, tmp_path: Path) -> None:
    """A file that answers with the sum of all it was given answers each sample with that sample, and one at a time."""
    path = tmp_path / "model.tflite"
    path.write_bytes(getattr(stateful, kept)())
    model = inference.Interpreted({"path": str(path), "threads": 1, "delegate": delegate, "state": kept})  # type: ignore[no-untyped-call]
    samples = np.random.default_rng(0).random((7, *model.entries[0]["shape"][1:]), np.float32)
    [found], batch = inference.through(model, [samples], 5)  # type: ignore[no-untyped-call]
    np.testing.assert_allclose(found, samples.reshape(7, -1), rtol=1e-6)
    assert batch == 1
