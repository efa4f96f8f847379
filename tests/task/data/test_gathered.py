"""Samples as they come or are made, in memory or in a file."""

import resource
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.errors import UserError
from autotune.task.data import fields, mapped
from autotune.task.data.fields import Array
from autotune.task.data.gathered import Gathered, changed, chosen, gathered, joined
from autotune.task.data.mapped import path_of

VALUES = np.arange(24, dtype=np.int16).reshape(12, 2)
SEVERAL = fields.joined({"image": VALUES, "größe 大": VALUES[:, 0] / 2})
MB = 1 << 20


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """All samples are many, and three are looked at at once."""
    monkeypatch.setattr(mapped, "LARGE", 1)
    monkeypatch.setattr(fields, "CHUNK", 3 * VALUES[:1].nbytes)


@pytest.fixture
def full() -> Iterator[None]:
    """No file can be larger than 1 MB."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MB, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def batches(values: Array = VALUES) -> Iterator[Array]:
    """Of different lengths, one of them none."""
    return iter(np.split(values, [1, 6, 6]))


@pytest.mark.parametrize("values", [VALUES, SEVERAL, VALUES[:, 0]])
def test_few_are_in_memory(tmp_path: Path, values: Array) -> None:
    """As they came, in order; no file is written, and none where nobody says a folder for it."""
    for folder in (tmp_path, None):
        samples = gathered(batches(values), folder)
        assert (samples == values).all()
        assert samples.dtype == values.dtype
        assert path_of(samples) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("values", [VALUES, SEVERAL, VALUES[:, 0]])
def test_many_are_in_a_file(tmp_path: Path, values: Array) -> None:
    """Which is an .npy file that others can read, beside nothing else; nothing can be written to it."""
    samples = gathered(batches(values), tmp_path / "cache")
    assert (samples == values).all()
    assert list((tmp_path / "cache").iterdir()) == [path_of(samples)]
    assert (np.load(str(path_of(samples))) == values).all()
    assert not samples.flags.writeable


@pytest.mark.usefixtures("large")
def test_a_file_is_called_by_what_it_holds(tmp_path: Path) -> None:
    """However it came: what is there already stays. Other values, shapes and types are other files."""
    first = path_of(gathered(batches(), tmp_path))
    made = first.stat().st_ino if first else None
    assert path_of(gathered([VALUES], tmp_path)) == first
    assert first is not None
    assert first.stat().st_ino == made
    others = (VALUES + 1, VALUES[:, ::-1], VALUES.reshape(-1, 4), VALUES.view(np.uint16), VALUES.astype(np.int32))
    assert len({first, *(path_of(gathered([other], tmp_path)) for other in others)}) == 6


@pytest.mark.parametrize("folder", [True, False])
@pytest.mark.parametrize(
    "other",
    [VALUES.reshape(-1, 3), VALUES[:, 0], VALUES.astype(np.int32), np.int16(1)],
    ids=["3", "none", "int32", "0-d"],
)
@pytest.mark.usefixtures("large")
def test_samples_that_differ_are_refused(tmp_path: Path, folder: bool, other: Array) -> None:
    """In shape or in type; no file stays."""
    with pytest.raises(ValueError, match="after int16"):
        gathered([VALUES, np.asarray(other)], tmp_path if folder else None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("large")
def test_what_fails_leaves_no_file(tmp_path: Path) -> None:
    """Whatever it fails with."""

    def failing() -> Iterator[Array]:
        yield VALUES
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gathered(failing(), tmp_path / ".cache" / "data")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("large")
def test_what_is_killed_leaves_no_file(tmp_path: Path) -> None:
    """The next one that writes there removes what the process left."""
    code = f"""
import os, pathlib, numpy as np
from autotune.task.data import gathered, mapped
mapped.LARGE = 1
samples = gathered.Gathered(pathlib.Path({str(tmp_path)!r}))
samples.add(np.zeros({MB}))
os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert len(list(tmp_path.iterdir())) == 1
    samples = gathered(batches(), tmp_path)
    assert list(tmp_path.iterdir()) == [path_of(samples)]


@pytest.mark.usefixtures("large", "full")
def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    """It says how much there was so far; nothing stays."""
    lines = (np.zeros(MB // 8) for _ in range(9))
    with pytest.raises(UserError, match="GB of samples can't be kept there: File too large; choose another --dir"):
        gathered(lines, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("large")
def test_a_folder_that_can_not_be_is_one_line(tmp_path: Path) -> None:
    """Such as one in the place of a file."""
    (tmp_path / "cache").touch()
    with pytest.raises(UserError, match="samples can't be kept there: File exists; choose another --dir"):
        gathered([VALUES], tmp_path / "cache")


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 64 MB that come, are cast, drawn and joined never more than a few are in memory."""
    monkeypatch.setattr(mapped, "LARGE", 2 * MB)

    def peak(work: Callable[[], Array]) -> float:
        tracemalloc.start()
        samples = work()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert samples.nbytes == 64 * MB
        return most / MB

    def stream() -> Iterator[Array]:
        return (np.full((16, MB // 16), number, np.uint8) for number in range(64))

    assert peak(lambda: gathered(stream(), tmp_path)) < 16
    samples = gathered(stream(), tmp_path)
    halved = samples[:256]
    assert peak(lambda: changed(halved, lambda some: some.astype(np.int32), tmp_path)) < 48
    assert peak(lambda: chosen(samples, np.arange(1024)[::-1], tmp_path)) < 16
    assert peak(lambda: joined({"a": samples[:, ::2], "b": samples[:, 1::2]}, tmp_path)) < 24
    assert (
        peak(lambda: fields.joined({"a": samples[:, ::2], "b": samples[:, 1::2]})) >= 64
    )  # it is seen where it is not


def double(some: Array) -> Array:
    return some * 2


@pytest.mark.usefixtures("large")
def test_changes_are_made_chunk_by_chunk(tmp_path: Path) -> None:
    """Into a file where samples are many, else in memory: the same."""
    for values in (VALUES, gathered([VALUES], tmp_path)):
        result = changed(values, double, tmp_path)
        assert (result == VALUES * 2).all()
        assert path_of(result) is not None
        assert path_of(changed(values, double, None)) is None


@pytest.mark.usefixtures("large")
def test_what_does_not_change_stays_in_its_file(tmp_path: Path) -> None:
    """The samples themselves, or with another shape; all of them were looked at. What is in memory gets a file."""
    samples = gathered([VALUES], tmp_path)
    seen = list[int]()

    def look(some: Array) -> Array:
        seen.extend(some[:, 0].tolist())
        return some

    assert changed(samples, look, tmp_path) is samples
    assert set(seen) == set(VALUES[:, 0].tolist())
    shaped = changed(samples, lambda some: some[..., np.newaxis], tmp_path)
    assert shaped.shape == (12, 2, 1)
    assert path_of(shaped) == path_of(changed(VALUES, look, tmp_path)) == path_of(samples)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.usefixtures("large")
def test_a_change_that_is_refused_leaves_no_file(tmp_path: Path) -> None:
    """Also where it is a later chunk that is."""

    def refuse(some: Array) -> Array:
        if (some == 20).any():
            raise UserError("20")
        return some * 2

    for values in (VALUES, np.load(_saved(tmp_path), mmap_mode="r")):
        with pytest.raises(UserError, match="20"):
            changed(values, refuse, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def _saved(folder: Path) -> Path:
    np.save(folder / "values.npy", VALUES)
    return folder / "values.npy"


def test_few_that_become_many_get_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As masks of bytes that become labels of eight."""
    monkeypatch.setattr(mapped, "LARGE", 2 * VALUES.nbytes)
    assert path_of(changed(VALUES, double, tmp_path)) is None
    result = changed(VALUES, lambda some: some.astype(np.int64), tmp_path)
    assert path_of(result) is not None
    assert (result == VALUES).all()


@pytest.mark.usefixtures("large")
def test_choices_and_joints_are_as_numpys(tmp_path: Path) -> None:
    """In the same order."""
    indices = np.array([11, 3, 3, 0, 7, 5, 2, 1])
    columns: dict[str, Any] = {"a": VALUES, "b": VALUES[:, 0] / 2}
    for values, wanted in (
        (chosen(SEVERAL, indices, tmp_path), SEVERAL[indices]),
        (joined(columns, tmp_path), fields.joined(columns)),
    ):
        assert (values == wanted).all()
        assert values.dtype == wanted.dtype
        assert path_of(values) is not None
    assert joined({"": VALUES}, tmp_path) is VALUES
    with pytest.raises(ValueError, match="a has 12, b has 3"):
        joined({"a": VALUES, "b": VALUES[:3]}, tmp_path)


def test_a_context_that_is_left_before_the_end_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does one without samples."""
    monkeypatch.setattr(mapped, "LARGE", 1)
    with Gathered(tmp_path) as samples:
        samples.add(VALUES)
        assert list(tmp_path.iterdir())
    assert list(tmp_path.iterdir()) == []
    assert gathered([], tmp_path).shape == (0,)
