"""Brackets, which may be taken for markup or patterns, and ends of lines in every path of a study."""

import shlex
import shutil
from pathlib import Path

import pytest

from autotune.cli import command as cli
from autotune.testing import FakeDevice, FakePool, toy_files, toy_import

ODD = "a [b] [red]c\nd"
SPACE = "quantize: [none, int8]\ndelegate: [xnnpack]\nthreads: [1]\nepochs: 1\n"


def test_a_study_of_odd_names(
    tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is run, shown, picked from, reported and tracked; the commands that it shows are for a shell as they stand."""
    monkeypatch.setattr("autotune.devices.device_file.find_device", lambda spec: FakeDevice())
    monkeypatch.setattr("autotune.study.pool.RayPool", lambda *_: FakePool())
    monkeypatch.setattr("autotune.launch.import_model", toy_import)
    (tmp_path / ODD).mkdir()
    monkeypatch.chdir(tmp_path / ODD)
    shutil.copy(empty_store, Path())
    for file in toy_files(Path()):
        file.rename(f"{ODD}{file.suffix}")
    Path(f"{ODD}.yaml").write_text(SPACE)
    files = ["--model", f"{ODD}.keras", "--data", f"{ODD}.npz", "--space", f"{ODD}.yaml"]
    study, out = ["toy", "--dir", f"r {ODD}"], ["--out", f"o {ODD}"]
    assert cli.main(["run", *files, "--name", *study, "--trials", "2", "--jobs", "1", "--plain"]) == 0
    shown = capsys.readouterr().out
    assert f"r {ODD}/toy/front.png" in shown
    assert shlex.split(shown.partition("take a file home:")[2].partition("all trials:")[0]) == [
        "autotune",
        "pick",
        *study,
    ]
    for command in (["front", *study], ["pick", *study, *out], ["report", *study, *out], ["sync", *study]):
        assert cli.main(command) == 0
    shown, errors = capsys.readouterr()
    assert errors == ""
    for page in [f"o {ODD}/toy-1.md", f"o {ODD}/toy.html"]:
        assert page in shown
        assert Path(page).stat().st_size
