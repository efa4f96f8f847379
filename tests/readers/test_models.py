"""Model files that frameworks and LiteRT open: whatever was damaged, they are opened or refused in one line."""

import io
import json
import logging
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.devices.runner.frames import read_frame, write_frame
from tests.conftest import ROOT
from tests.properties import EXAMPLES
from tests.readers.contract import LONGEST
from tests.readers.mutations import archived, damaged, reshaped
from tests.readers.test_tflite import rewired

log = logging.getLogger(__name__)

FEW = settings(max_examples=int(EXAMPLES or 12))
"""Each takes a tenth of a second or more."""


class Importer:
    """A process that opens models, which is started anew where a file has ended it."""

    def __init__(self) -> None:
        self.deaths = 0
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.readers.importing"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.files = {header["name"]: data for header, data in (self._read() for _ in range(4))}

    def opened(self, name: str, data: bytes) -> str:
        """What came of a file: opened, refused, raised or died."""
        assert self._process.stdin is not None
        try:
            write_frame(self._process.stdin, {"name": name}, data)
            return str(self._read()[0]["said"])
        except (EOFError, BrokenPipeError):  # in a study it is tried once more, and then refused
            self.deaths += 1
            self.start()
            return "died"

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _read(self) -> tuple[dict[str, Any], bytes]:
        assert self._process.stdout is not None
        frame = read_frame(self._process.stdout)
        if frame is None:
            raise EOFError
        return frame


@pytest.fixture(scope="module")
def importer() -> Iterator[Importer]:
    found = Importer()
    yield found
    found.close()
    log.warning("%d files ended the process that opened them", found.deaths)


def members(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def check(importer: Importer, name: str, data: bytes) -> None:
    said = importer.opened(name, data)
    assert said.startswith(("opened", "refused", "died")), said
    assert len(said) < LONGEST
    assert said.isprintable()


@pytest.mark.parametrize("name", ["new.keras", "old.h5", "saved", "small.tflite"])
@given(draw=st.data())
@FEW
def test_damaged_models(importer: Importer, name: str, draw: st.DataObject) -> None:
    """Anywhere in the file, or in the members of an archive."""
    data = importer.files[name]
    either = damaged(data) if name in ("old.h5", "small.tflite") else damaged(data) | archived(members(data))
    check(importer, name, draw.draw(either))


@given(draw=st.data())
@FEW
def test_tables_that_lead_elsewhere(importer: Importer, draw: st.DataObject) -> None:
    """A .tflite that is whole in itself, of other numbers, shapes or options: it is run before it is trained."""
    check(importer, "small.tflite", draw.draw(rewired(importer.files["small.tflite"])))


@given(draw=st.data())
@FEW
def test_configs_of_another_shape(importer: Importer, draw: st.DataObject) -> None:
    """A .keras file whose JSON says something else."""
    parts = members(importer.files["new.keras"])
    name = draw.draw(st.sampled_from(["config.json", "config.json", "metadata.json"]))
    parts[name] = json.dumps(draw.draw(reshaped(json.loads(parts[name])))).encode()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
    check(importer, "new.keras", stream.getvalue())
