"""What libraries print while a study runs."""

import logging
import os
import sys
from pathlib import Path

import pytest

from autotune.study.log import logged
from autotune.terminal.noise import out_of_sight
from autotune.terminal.study import console
from tests.devices.processes import eventually


def test_what_is_printed_goes_to_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """By Python, by native code and by child processes; our console still speaks, and all is as before in the end."""
    file = tmp_path / "study.log"
    with logged() as log_to:
        log_to(tmp_path)
        with out_of_sight(lambda text: None):
            print("by Python\x1b[33m!\x1b[0m")  # noqa: T201
            print("to stderr", file=sys.stderr)  # noqa: T201
            os.write(2, b"by native code\n")
            os.system("echo by a child >&2")
            console.print("for people")
        assert eventually(lambda: file.read_text().count("INFO autotune.printed: ") == 4)
    assert capfd.readouterr() == ("for people\n", "")
    for line in ("by Python!", "to stderr", "by native code", "by a child"):
        assert f" INFO autotune.printed: {line}\n" in file.read_text()
    print("after", file=sys.stderr)  # noqa: T201
    os.write(2, b"native\n")
    assert capfd.readouterr().err == "after\nnative\n"


def test_a_lost_device_is_no_noise() -> None:
    """That one is waited for, or is back, is said at once."""
    notes: list[str] = []
    with out_of_sight(notes.append):
        logging.getLogger("autotune.devices").warning("device %s is back", "board")
    assert notes == ["device board is back"]
