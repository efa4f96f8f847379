"""What each dimension does, as figures."""

from pathlib import Path

from autotune.report import slices
from autotune.report.slices import importance_figure, slice_figures
from autotune.results.dimensions import Importance, spread, varied
from autotune.testing import toy_outcome, toy_record


def test_dimensions_are_those_that_vary(tmp_path: Path) -> None:
    """None stands where a dimension does nothing; one that a plug-in adds is off where it is not named."""
    record = toy_record(
        tmp_path,
        toy_outcome(0.9, 1.0, 1000, decimals=3),
        toy_outcome(0.8, 0.1, 300, quantize="qat", epochs=5),
        toy_outcome(0.8, 0.1, 300, quantize="qat", epochs=20),
    )
    found = varied(record.points)
    assert found == {"epochs": [None, 5, 20], "quantize": ["none", "qat", "qat"], "decimals": [3, 0, 0]}


def test_a_sample_is_the_same_each_time(tmp_path: Path) -> None:
    """In order; all where they are few."""
    points = toy_record(tmp_path, *(toy_outcome(0.9, 1.0, 1000, prune=at / 100) for at in range(50))).points
    some = spread(points, 20)
    assert some == spread(points, 20) == sorted(some, key=lambda point: point.trial)
    assert len(some) == 20
    assert spread(points, 50) == points


def test_every_objective_has_a_row(tmp_path: Path) -> None:
    """With a box for each value of a name; numbers of many values are dots."""
    outcomes = [
        toy_outcome(0.9 - at / 100, 1.0 + at, 1000, prune=at / 100, quantize=("none", "int8")[at % 2])
        for at in range(slices.NAMES + 1)
    ]
    found = slice_figures(toy_record(tmp_path, *outcomes), ["quantize"])
    assert list(found) == ["quantize", "prune"]
    assert [axis.title.text for axis in found["quantize"].select_yaxes()] == [
        "accuracy",
        "latency (ms)",
        "download (kB)",
    ]
    assert {trace.type for trace in found["quantize"].data} == {"box"}
    assert found["quantize"].layout.xaxis.categoryarray == ("float32", "int8")
    assert {trace.type for trace in found["prune"].data} == {"scatter"}


def test_importance_has_a_bar_for_each_objective() -> None:
    """The dimension with the largest share first."""
    shares = {"accuracy": {"prune": 0.6, "threads": 0.4}, "latency": {"threads": 0.9, "prune": 0.1}}
    figure = importance_figure(Importance(shares, 20, 20))
    assert [(bar.name, bar.y, bar.x) for bar in figure.data] == [
        ("accuracy", ("threads", "prune"), (0.4, 0.6)),
        ("latency", ("threads", "prune"), (0.9, 0.1)),
    ]
