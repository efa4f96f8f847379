"""A model of several inputs and outputs from the command line to the registry, without a training."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests import several
from tests.test_end_to_end import autotune

SPACE = "quantize: [none, int8, float16]\ndelegate: xnnpack\nthreads: 1\n"
SERVE = """
import sys
import mlflow
import numpy as np

mlflow.set_tracking_uri("sqlite:///mlflow.db")
x = np.load("x.npz")
outputs = mlflow.pyfunc.load_model("models:/several@autotune").predict({name: x[name] for name in x})
np.savez("y.npz", **outputs)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a study that was stopped after two trials, and went on."""
    import keras

    folder = tmp_path_factory.mktemp("several")
    several.trained(keras).save(folder / "m.keras")
    several.npz(folder / "d.npz")
    (folder / "space.yaml").write_text(SPACE)
    run = ["run", "--model", "m.keras", "--data", "d.npz", "--space", "space.yaml", "--metric", "width=mae"]
    run += ["--target", "mae<=baseline+20%", "--target", "latency<50ms", "--jobs", "1", "--name", "first"]
    autotune(*run, "--trials", "2", folder=folder)
    autotune(*run, "--trials", "3", folder=folder)
    return folder


def test_the_front_is_of_the_judged_output(folder: Path) -> None:
    """And a page shows it."""
    front = json.loads(autotune("front", "first", "--json", folder=folder).stdout)
    assert front
    autotune("report", "first", folder=folder)
    assert (folder / "first.html").stat().st_size > 0


def test_a_registered_file_takes_and_gives_names(folder: Path) -> None:
    """What it gives by a name is what the model gives."""
    import keras

    autotune("pick", "first", "--out", "got", "--register", "several", folder=folder)
    [page] = (folder / "got").glob("*.md")
    assert "words=…" in page.read_text()
    x = several.inputs(8, seed=2)
    np.savez(folder / "x.npz", **x)  # type: ignore[arg-type]  # NumPy takes any name
    done = subprocess.run([sys.executable, "-c", SERVE], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    got = np.load(folder / "y.npz")
    wanted = keras.models.load_model(folder / "m.keras").predict(x, verbose=0)
    for name, values in zip(several.OUTPUTS, wanted, strict=True):
        assert np.abs(got[name] - values).mean() < 0.15 * np.abs(values).mean()
