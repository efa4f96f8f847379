"""What is shipped with a model that is registered: the modules that run it, and what they need.

They are the runner's own, so that what is served is what was measured, under the name of a package of their own:
neither an autotune of another version in the same Python, nor another model's modules come between.
"""

import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from autotune.devices import runner
from autotune.devices.delegates import RUNNER
from autotune.devices.runner import inference
from autotune.errors import UserError
from autotune.results.meta import DeviceFacts
from autotune.tflite.flatbuffer import ends

TensorType = tuple[np.dtype[np.generic], tuple[int, ...]]
"""An input or output of a function: the type, and the shape of a sample."""

Types = dict[str, TensorType]
"""What a function takes or gives, by name, in the file's order; "" is that of the only one."""


def write(folder: Path) -> str:
    """Writes the modules as a package, named by their content.

    Args:
        folder: to put the package into.

    Returns:
        The name of the module with MLflow's _load_pyfunc(), as it is imported from that folder.
    """
    sources = {name: (Path(runner.__file__).parent / f"{name}.py").read_text() for name in runner.SERVED}
    package = f"litert_{hashlib.sha256(''.join(sources.values()).encode()).hexdigest()[:8]}"
    (folder / package).mkdir(parents=True)
    (folder / package / "__init__.py").touch()
    for name, source in sources.items():
        (folder / package / f"{name}.py").write_text(source.replace(runner.__name__, package))
    return f"{package}.{runner.SERVED[-1]}"


def requirements(delegate: str, device: DeviceFacts) -> list[str]:
    """The packages that they import, pinned: LiteRT to the device's version, the others to those that are here.

    Args:
        delegate: that the file is run by.
        device: that it was measured on.
    """
    unknown = device.litert in (None, "unknown")  # phones and unpacked wheels don't say
    litert = _pinned("ai-edge-litert") if unknown else f"{device.runtime}=={device.litert}"
    return [litert, _pinned("numpy"), *([_pinned("openvino")] if delegate.startswith("openvino") else [])]


def _pinned(package: str) -> str:
    try:
        return f"{package}=={version(package)}"
    except PackageNotFoundError:  # it is on the device alone
        return package


def signature(file: Path, delegate: str) -> tuple[Types, Types]:
    """What the function takes and gives.

    Raises:
        UserError: the delegate is one that the runner has no way to.
    """
    if delegate not in RUNNER:
        raise UserError(f"{delegate} is no delegate of LiteRT in Python; known are {', '.join(RUNNER)}")
    request = {"path": str(file), "threads": 1, "delegate": "reference"}
    opened = inference.interpreter(request)  # type: ignore[no-untyped-call]
    names = ends(file.read_bytes())

    real: np.dtype[np.generic] = np.dtype(np.float32)
    takes: Types = {
        name: (real if entry["quantization"][0] else np.dtype(entry["dtype"]), tuple(map(int, entry["shape"][1:])))
        for name, entry in zip(names.input_fields, opened.get_input_details(), strict=True)
    }
    exits = opened.get_output_details()
    shapes = [exit_["shape"] for exit_ in exits]
    if any(-1 in exit_["shape_signature"][1:] for exit_ in exits):  # as behind Reshape((-1, k)): known once it has run
        opened.allocate_tensors()
        for entry in opened.get_input_details():
            opened.set_tensor(entry["index"], np.zeros(entry["shape"], entry["dtype"]))
        opened.invoke()
        shapes = [opened.get_tensor(exit_["index"]).shape for exit_ in exits]
    gives: Types = {
        name: (real, tuple(map(int, shape[1:]))) for name, shape in zip(names.output_fields, shapes, strict=True)
    }
    return takes, gives
