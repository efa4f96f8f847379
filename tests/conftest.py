"""What tests share: where the real model and data are, and models made on the spot."""

import gc
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from autotune.devices.client import command
from autotune.measure import bench
from autotune.measure.rounds import Rules
from autotune.study import instrument
from autotune.testing import FakeDevice

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"

os.environ.pop("COLUMNS", None)  # what is printed is as wide as where nobody says
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # tests import it themselves, too


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest module first: where two processes share the work, neither waits for it at the end."""
    items.sort(key=lambda item: item.path.name != "test_end_to_end.py")


@pytest.fixture(autouse=True, scope="session")
def _own_lease(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Not the machine's: who measures there would be disturbed, and the tests would wait for him."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "LEASE", str(tmp_path_factory.mktemp("lease") / "lease"))
        yield


@pytest.fixture(autouse=True, scope="module")
def _frozen() -> Iterator[None]:
    """What a module leaves behind is not looked through again: TensorFlow leaves millions of objects."""
    yield
    gc.collect()
    gc.freeze()


def _shared(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"needs {name} in the folder shared/ beside the checkout")
    return path


@pytest.fixture(scope="session")
def resnet8() -> Path:
    """The MLPerf Tiny ResNet8 as a Keras 3 file."""
    return _shared("models/resnet8.keras")


@pytest.fixture(scope="session")
def resnet8_legacy() -> Path:
    """The same as a legacy .h5 file."""
    return _shared("models/resnet8_legacy.h5")


@pytest.fixture(scope="session")
def cifar10() -> dict[str, np.ndarray]:
    """x_train, y_train, x_test, y_test of the CIFAR-10 subset."""
    with np.load(_shared("data/cifar10_subset.npz")) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="session")
def digits() -> Path:
    """The folder of the demo's model and data."""
    return ROOT / "experiments" / "digits"


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measurements end after a few rounds: for tests of what comes of them, not of how narrow they are."""
    rules = partial(Rules, within=0.2, most_rounds=4)
    monkeypatch.setattr(bench, "Rules", rules)
    monkeypatch.setattr(instrument, "Rules", partial(rules, again=0))


class BusyDevice(FakeDevice):
    """Somebody else measures on it, until say() is told that it is waited for.

    Attributes:
        told: that.
    """

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []
        assert self.take(shared=False)

    def say(self, text: str) -> None:
        if text.startswith("waiting") and not self.told:
            self.told.append(text)
            self.leave(shared=False)


@pytest.fixture
def busy() -> BusyDevice:
    """A device that must be waited for."""
    return BusyDevice()
