"""Groups of samples, such as patients: named by the data, and whole where it is split."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.errors import UserError
from autotune.task.data import Array, Data, Split, read_data

SAMPLES = 120
SIZES = np.resize([1, 2, 3, 6, 12], 25)
PATIENTS = np.repeat([f"p{number:02}" for number in range(25)], SIZES)
"""Of 120 test samples, whose inputs count up."""


def content(**changes: Any) -> dict[str, Array]:
    """Small data; a patient's samples are of one class."""
    x = np.arange(SAMPLES, dtype=float)[:, np.newaxis]
    y = np.unique(PATIENTS, return_inverse=True)[1] % 2
    return {"x_train": x, "y_train": y, "x_test": x, "y_test": y, "groups_test": PATIENTS, **changes}


def read(folder: Path, seed: int = 0, share: float = 0.5, **changes: Any) -> Data:
    """As read_data() gives it."""
    path = folder / "data.npz"
    np.savez(path, allow_pickle=False, **content(**changes))
    return read_data(str(path), (1,), seed, share)


def patients(split: Split) -> set[str]:
    return set(PATIENTS[split.x[:, 0].astype(int)].tolist())


@pytest.mark.parametrize("share", [0.2, 0.5, 0.75])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_validation_is_cut_by_whole_groups(tmp_path: Path, share: float, seed: int) -> None:
    """Of about the share that was asked for, no patient on both sides, nothing lost, and classes in proportion."""
    data = read(tmp_path, seed, share)
    assert not patients(data.validation) & patients(data.test)
    assert patients(data.validation) | patients(data.test) == set(PATIENTS)
    assert len(data.validation) + len(data.test) == SAMPLES
    assert len(data.validation) / SAMPLES == pytest.approx(share, abs=0.1)
    assert data.validation.y.mean() == pytest.approx(content()["y_test"].mean(), abs=0.2)
    for split in (data.validation, data.test):
        assert split.groups is not None
        own = PATIENTS[split.x[:, 0].astype(int)]
        assert len(np.unique(split.groups)) == len(set(own))
        assert all(len(set(own[split.groups == group])) == 1 for group in np.unique(split.groups))


def test_the_cut_is_seeded(tmp_path: Path) -> None:
    """Another one, other patients."""
    cuts = [patients(read(tmp_path, seed).validation) for seed in (0, 0, 1)]
    assert cuts[0] == cuts[1] != cuts[2]


def test_groups_of_a_validation_split_of_its_own(tmp_path: Path) -> None:
    """Each split has its own; those that are not named have none."""
    x = np.ones((3, 1))
    data = read(tmp_path, x_val=x, y_val=np.array([0, 1, 1]), groups_val=np.array([7, 7, 8]))
    assert data.validation.groups is not None
    assert data.validation.groups.tolist() == [0, 0, 1]
    assert data.test.groups is not None
    assert len(data.test) == len(data.test.groups) == SAMPLES
    assert data.train.groups is None


def test_groups_are_a_part_of_what_the_data_is(tmp_path: Path) -> None:
    """Scores depend on them; without any, all is as it was."""
    with_groups = read(tmp_path, x_val=np.ones((3, 1)), y_val=np.array([0, 1, 1]), groups_val=np.array([7, 7, 8]))
    other = read(tmp_path, x_val=np.ones((3, 1)), y_val=np.array([0, 1, 1]), groups_val=np.array([7, 8, 8]))
    assert with_groups.validation.fingerprint() != other.validation.fingerprint()
    validation = with_groups.validation
    assert Split(validation.x, validation.y).fingerprint() != validation.fingerprint()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"groups_test": PATIENTS[:-1]},
            "groups of test have shape (119,), not one name or number for each of",
        ),
        ({"groups_test": np.zeros((120, 1), int)}, "groups of test have shape (120, 1), not one name or number"),
        ({"groups_test": np.linspace(0, 1, 120)}, "groups of test are of type float64, not names or whole numbers"),
        ({"groups_test": np.zeros(120, int)}, "too few groups of test samples to be cut; add validation samples"),
        ({"groups_train": PATIENTS}, "group 'p00' is in train and in test; a group belongs into one split"),
        (
            {"x_val": np.ones((2, 1)), "y_val": np.array([0, 1]), "groups_val": np.array(["p07", "new"])},
            "group 'p07' is in test and in val; a group belongs into one split",
        ),
    ],
)
def test_groups_that_are_refused(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    """One line, with the data's name."""
    with pytest.raises(UserError) as caught:
        read(tmp_path, **changes)
    assert reason in str(caught.value)
    assert str(caught.value).startswith("data ")
    assert "\n" not in str(caught.value)


CODE = """
import numpy as np

x, y = np.arange(40.0).reshape(40, 1), np.arange(40) % 4
recordings = [f"r{number // 5}" for number in range(20)]

def make():
    return {"train": (x[:20], y[:20]), "test": (x[20:], y[20:]), **more}

"""


def of_function(folder: Path, more: str) -> Data:
    (folder / "mine.py").write_text(f"{CODE}more = {more}\n")
    return read_data(f"{folder / 'mine.py'}:make", (1,), 0)


def test_a_data_function_names_groups(tmp_path: Path) -> None:
    """By the names of its splits; a list will do."""
    data = of_function(tmp_path, "{'groups': {'test': recordings}}")
    for split in (data.validation, data.test):
        assert split.groups is not None
        assert (len(split), len(np.unique(split.groups))) == (10, 2)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ("{'groups': recordings}", "groups must be a dictionary of arrays for some of train, test, such as {'test': "),
        ("{'groups': {'tests': recordings}}", "groups must be a dictionary of arrays for some of train, test"),
        ("{'groups': {'validation': recordings}}", "groups must be a dictionary of arrays for some of train, test"),
        ("{'groups': {'test': [[1], [2, 3]]}}", "groups of test has samples of different shapes, or no arrays"),
        ("{'groups': {'test': None}}", "groups of test have shape (), not one name or number for each of its 20"),
    ],
)
def test_groups_of_functions_that_are_refused(tmp_path: Path, more: str, reason: str) -> None:
    """Likewise."""
    with pytest.raises(UserError) as caught:
        of_function(tmp_path, more)
    assert reason in str(caught.value)
