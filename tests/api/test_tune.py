"""tune(): what `autotune run` does, by a call; on fakes."""

import argparse
import inspect
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autotune
from autotune import Front, Point, StopStudy, UserError
from autotune.cli import command as cli
from autotune.model.load import import_model
from autotune.testing import FakeDevice, FakePool, toy_files, toy_import
from tests.api.test_live import Toy
from tests.cli.conftest import SPACE, Board

HEAVY = ("tensorflow", "ray", "optuna", "mlflow", "pandas", "plotly", "keras", "tf_keras", "numpy", "rich", "pydantic")


class ToyPool(FakePool):
    """In place of Ray's."""

    def __init__(self, jobs: int, *_: Any) -> None:
        super().__init__(jobs)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return super().submit(toy_import if function is import_model else function, *arguments)


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A model and data in the working folder, and fakes for all that is slow."""
    devices = {"local": FakeDevice(), "board": Board()}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "none")
    monkeypatch.setattr("autotune.track.picture.draw", lambda record, path: path.touch())
    monkeypatch.setattr("autotune.study.pool.RayPool", ToyPool)
    monkeypatch.setattr("autotune.devices.device_file.find_device", lambda spec, **_: devices[spec])
    return toy_files(tmp_path)


def arrays() -> dict[str, Any]:
    with np.load("toy.npz") as file:
        return dict(file)


def tuned(**given: Any) -> Front:
    usual: dict[str, Any] = {
        "model": "toy.keras",
        "data": "toy.npz",
        "space": SPACE,
        "trials": 4,
        "jobs": 2,
        "quiet": True,
    }
    return autotune.tune(**usual | given)


def asked(front: Front) -> int:
    """How many trials were asked for."""
    return sum(not point.free for point in front.trials)


def test_import_is_quick() -> None:
    """None of the frameworks is loaded."""
    script = f"import sys, autotune\nassert autotune.tune\nprint(sorted(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_public_names_are_there() -> None:
    """Each when it is asked for, also by a star and in dir(); another is missing in Python's own words."""
    names: dict[str, Any] = {}
    exec("from autotune import *", names)
    assert set(autotune.__all__) <= names.keys() & set(dir(autotune))
    assert names["tune"] is autotune.tune
    with pytest.raises(AttributeError, match="module 'autotune' has no attribute 'tone'"):
        _ = autotune.tone  # type: ignore[attr-defined]  # as it says


def test_types_are_shipped() -> None:
    """The package says that it is typed."""
    assert Path(str(autotune.__file__)).with_name("py.typed").is_file()


def test_options_are_those_of_the_command_line() -> None:
    """Each by its name, none given by default."""
    [commands] = [action for action in cli._parser()._actions if isinstance(action, argparse._SubParsersAction)]
    run = {action.dest: action.default for action in commands.choices["run"]._actions}
    shown = {"help", "quiet", "plain", "json"}
    theirs = {name: default for name, default in run.items() if name not in shown}
    ours = {name: keyword.default for name, keyword in inspect.signature(autotune.tune).parameters.items()}
    assert (ours.pop("callbacks"), ours.pop("quiet")) == ((), False)
    assert ours == theirs


def test_tune(capsys: pytest.CaptureFixture[str]) -> None:
    """A study as the command line would have it, which goes on by either."""
    front = tuned(targets="latency<1s", trials=3)
    assert front.recommended is not None
    assert front.folder == Path("runs/toy")
    assert asked(front) == 3
    assert capsys.readouterr().out == ""
    assert asked(tuned(targets=["latency<1s"], quiet=False)) == 4
    assert "4/4 trials" in capsys.readouterr().out
    assert cli.main(["front", "toy"]) == 0


def process() -> dict[str, Any]:
    """What a run might change in the process of its caller."""
    loggers = [logging.getLogger(name) for name in ("", "autotune", "autotune.devices", "optuna", "mlflow", "alembic")]
    return {
        **{f"${name}": value for name, value in os.environ.items()},
        "loggers": [[log.name, log.level, log.propagate, len(log.handlers), len(log.filters)] for log in loggers],
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "streams": [sys.stdout, sys.stderr],
        "path": list(sys.path),
    }


def test_the_caller_s_process_is_left_as_it_was() -> None:
    """What is set for a run, of MLflow's and Optuna's too, is set back at its end, and where it ends with an error."""
    import autotune.track.mlflow  # noqa: F401  # what MLflow does as it is imported is not ours

    before = process()
    front = tuned(trials=2, tracking_uri="sqlite:///mlflow.db")
    assert Path("mlflow.db").is_file()
    assert not [note for note in front.notes if "tracking" in note]
    assert process() == before

    def fails(point: Point, front: Front) -> None:
        raise ValueError("a mistake")

    with pytest.raises(ValueError, match="a mistake"):
        tuned(trials=3, callbacks=[fails])
    assert process() == before


def test_an_experiment(tmp_path: Path) -> None:
    """Its file goes below the call's keywords."""
    Path("e.yaml").write_text("model: toy.keras\ndata: toy.npz\nspace: {quantize: [none, int8]}\ntrials: 2\nseed: 3\n")
    front = autotune.tune("e.yaml", trials=1, name="mine", quiet=True)
    assert (front.name, asked(front)) == ("mine", 1)
    with pytest.raises(UserError, match="space in the call: unknown dimension 'quantise'"):
        autotune.tune("e.yaml", space={"quantise": ["int8"]}, quiet=True)


def test_what_is_in_memory_is_kept_with_the_study() -> None:
    """So that the same call goes on, and the command line finds it."""
    front = tuned(model=Toy("mine"), data=arrays())
    options = front._record.meta.options
    assert options.model is not None
    assert options.data is not None
    for path, name in ((options.model[0], "mine.keras"), (options.data, "data.npz")):
        assert Path(path).name == name
        assert Path(path).is_relative_to(Path("runs/mine/given").resolve())
    again = tuned(model=Toy("mine"), data=arrays())
    assert again.to_json() == front.to_json()
    assert len(list(Path("runs/mine/given").rglob("*.*"))) == 2
    assert cli.main(["run", "--model", options.model[0], "--data", options.data, "--trials", "5"]) == 2  # space
    with pytest.raises(UserError, match="study 'mine' was started with other data"):
        tuned(model=Toy("mine"), data=arrays() | {"y_test": arrays()["y_test"][::-1]})


def test_several_models() -> None:
    """In memory or as paths; the first is the baseline, and names the study."""
    front = tuned(model=[Toy("mine"), "toy.keras"])
    assert front.name == "mine"
    assert front.baseline.config.recipe.model == "mine"
    assert {point.outcome.config.recipe.model for point in front.trials} == {"mine", "toy"}


def test_several_devices() -> None:
    """The front is of the one that was searched for; the others' are beside it."""
    front = tuned(device=["local", "board"], space=SPACE | {"threads": [1]})
    assert (front.device, front.devices) == ("fake", ["fake", "board"])
    assert len(front.on("board").trials) == len(front.trials)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"model": None}, "no --model"),
        ({"data": None}, "no --data"),
        ({"model": "none.keras"}, "model none.keras: no such file"),
        ({"data": {}}, "no x_train, y_train"),
        ({"data": {"x_train": [[1.0]], "y_train": [0]}}, "no x_test, y_test; it has x_train, y_train"),
        ({"data": {"x_train": np.array(["a"])}}, "data: x_train is no array of numbers"),
        ({"targets": "speed<5ms"}, "unknown metric 'speed'"),
        ({"targets": ["latency<1ms", "latency>2ms"]}, "can't both be met"),
        ({"trials": 0}, "--trials: '0' is no whole number"),
        ({"name": "../up"}, "--name '../up'"),
        ({"metric": "beauty"}, "--metric 'beauty' is unknown"),
        ({"sampler": "luck"}, "unknown sampler 'luck'"),
        ({"space": {"delegate": "nnapi"}}, "unknown delegate 'nnapi'"),
        ({"dir": "/proc/runs"}, "can't write into /proc"),
    ],
)
@pytest.mark.parametrize("live", [False, True])
def test_wrong_input(tmp_path: Path, live: bool, given: dict[str, Any], says: str) -> None:
    """One line, as the command line says it; nothing is written, of what is in memory neither."""
    before = sorted(tmp_path.rglob("*"))
    asked = ({"model": Toy(), "data": arrays()} if live else {}) | given
    with pytest.raises(UserError) as caught:
        tuned(**asked)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_callbacks() -> None:
    """Each new trial once, with the front as it is; one of them may end the search in order."""
    seen: list[tuple[int, int, str]] = []

    def told(point: Point, front: Front) -> None:
        seen.append((point.trial, len(front.trials), threading.current_thread().name))
        if len(seen) == 1:
            raise StopStudy

    front = tuned(callbacks=[told])
    assert [trial for trial, _, _ in seen] == [point.trial for point in sorted(front.trials, key=lambda p: p.trial)]
    assert [size for _, size, _ in seen] == list(range(1, len(seen) + 1))
    assert {name for _, _, name in seen} == {threading.current_thread().name}
    assert asked(front) < 4
    assert "stopped by a callback; the same command goes on from here" in front.notes
    before = len(front.trials)
    again = tuned(callbacks=[told])
    assert len(seen) == len(again.trials) > before


def test_a_callback_that_fails() -> None:
    """The caller gets its exception; the same call goes on."""

    def broken(point: Point, front: Front) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        tuned(callbacks=[broken])
    assert asked(tuned()) == 4


def test_in_another_thread() -> None:
    """Signals are the main thread's alone; nothing here needs them."""
    found: list[Front] = []
    thread = threading.Thread(target=lambda: found.append(tuned()))
    thread.start()
    thread.join()
    assert len(found) == 1


def test_an_interrupted_call_returns_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a notebook's stop has it."""

    def interrupted(point: Point, front: Front) -> None:
        if point.trial >= 2:
            raise KeyboardInterrupt

    front = tuned(callbacks=[interrupted])
    assert len(front.trials) >= 2
    assert "interrupted; the same command goes on from here" in front.notes


def test_a_callback_that_is_none_is_told_first() -> None:
    """Not with the first trial, which may be an hour later."""
    with pytest.raises(UserError, match="callbacks: 'print' can't be called"):
        tuned(callbacks=["print"])
