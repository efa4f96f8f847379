"""Commands that give a study, or a point of it, once more."""

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

from autotune.report.reproduce import command, pick_command, point_command, point_space, study_command
from autotune.results.meta import StudyOptions
from autotune.results.record import Record
from autotune.testing import toy_outcome, toy_record


def record(folder: Path, **options: Any) -> Record:
    made = toy_record(folder / "my runs" / "toy", toy_outcome(0.9, 1.0, 1000, quantize="qat", epochs=5))
    usual = StudyOptions(
        model=("m 1.keras",), data="d.npz", space="quick", loss="loss.py:mine", metric="accuracy", seed=3
    )
    return replace(made, meta=replace(made.meta, targets=("latency<1ms",), options=replace(usual, **options)))


def test_a_study_once_more(tmp_path: Path) -> None:
    """Quoted for a shell; what is the default is not said."""
    folder = tmp_path / "my runs"
    assert study_command(record(tmp_path, validation_share=0.5, loss="loss.py:mine")) == (
        "autotune run --model 'm 1.keras' --data d.npz --seed 3 --metric accuracy --space quick "
        "--target 'latency<1ms' --objective quality --objective latency --objective download "
        f"--trials 1 --name toy --dir '{folder}'"
    )
    found = study_command(
        record(tmp_path, space="in my.yaml", validation_share=0.4, excluded=("a", "b"), loss="mse", codec="xz")
    )
    assert found.startswith("autotune run my.yaml --model")
    assert "--loss mse --metric accuracy --codec xz --validation-share 0.4 --exclude a --exclude b --target" in found
    assert "--space" not in found


def test_a_point_once_more(tmp_path: Path) -> None:
    """Its recipe is a search space; on another device it is picked there."""
    made = record(tmp_path)
    assert json.loads(point_space(made.points[0])) == made.points[0].outcome.config.canonical()
    objectives = "--objective quality --objective latency --objective download"
    assert f"--space point.yaml {objectives} --trials 1 --name toy-point" in point_command(made)
    assert pick_command(made, 0) == f"autotune pick toy --trial 0 --dir '{tmp_path}/my runs'"
    beside = replace(made, name="toy@fake")
    assert "pick toy --trial 0 --device fake" in pick_command(beside, 0)


def test_a_point_of_several_models_once_more(tmp_path: Path) -> None:
    """Which model is not for a space to say: all of them are built so."""
    made = record(tmp_path, model=("a.keras", "b.keras"))
    point = toy_record(tmp_path, toy_outcome(0.9, 1.0, 1000, model="a")).points[0]
    assert "model" not in json.loads(point_space(point))
    assert "--model a.keras --model b.keras" in point_command(made)
    assert "--trials 2 --name" in point_command(made)


def test_a_command_on_the_study(tmp_path: Path) -> None:
    """Whatever its folder is called, a shell takes it as it stands."""
    made = toy_record(tmp_path / "r [x]\ny" / "toy", toy_outcome(0.9, 1.0, 1000))
    words = ["autotune", "front", "toy", "--dir", f"{tmp_path}/r [x]\ny", "--all"]
    assert shlex.split(command(made, "front", "--all")) == words
    assert command(replace(made, folder=Path("runs/toy")), "pick") == "autotune pick toy"
