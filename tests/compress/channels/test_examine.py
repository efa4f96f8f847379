"""What is looked at to plan cuts."""

from dataclasses import replace

import numpy as np

from autotune.compress.channels import examine
from autotune.compress.stage import TrainingData


def data(classes: int, each: int, calibration: int) -> TrainingData:
    """Inputs that are their class, sorted by it; those of calibration are their number, below 0."""
    x = np.repeat(np.arange(classes, dtype=np.float32), each)
    return TrainingData(x, x, -1 - np.arange(calibration, dtype=np.float32), "mse", 0)


def test_inputs_of_all_classes_are_looked_at() -> None:
    """All of calibration, and as many others as are wanted; every part of them has all classes. The same again."""
    sorted_ = data(5, 1000, 100)
    looked = examine.unlabelled(sorted_)
    assert len(looked) == examine.SAMPLES
    assert set(looked[:100]) == set(sorted_.calibration)
    assert all(set(part) == set(range(5)) for part in np.split(looked[100:500], 10))
    assert np.array_equal(looked, examine.unlabelled(sorted_))
    assert not np.array_equal(looked, examine.unlabelled(replace(sorted_, seed=1)))


def test_calibration_is_drawn_from_where_it_is_large() -> None:
    """From all of it; where there is little, all is looked at."""
    large = examine.unlabelled(data(2, 10, 5000))
    assert len(large) == examine.SAMPLES
    assert large.min() < -4500
    assert len(examine.unlabelled(data(2, 10, 7))) == 27
