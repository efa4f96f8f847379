"""The front as a PNG."""

from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from autotune.report.picture import draw
from autotune.results.record import Begun
from autotune.testing import toy_measurement, toy_outcome, toy_record


def _size(path: Path) -> tuple[int, int]:
    header = path.read_bytes()[:24]
    assert header.startswith(b"\x89PNG\r\n\x1a\n")
    return int.from_bytes(header[16:20], "big"), int.from_bytes(header[20:24], "big")


def test_draws_a_study_with_targets(tmp_path: Path) -> None:
    """Large enough to read, and not the same for another front."""
    few = toy_record(tmp_path / "few", toy_outcome(0.9, 1.0, 1000))
    many = toy_record(
        tmp_path / "many",
        toy_outcome(0.9, 1.0, 1000),
        toy_outcome(0.8, 0.1, 300, quantize="int8", prune=0.5),
        toy_outcome(0.7, 0.5, 500, quantize="qat"),
    )
    many = replace(many, meta=replace(many.meta, targets=("latency<0.5ms", "accuracy>=baseline-5%", "download<1kB")))
    for record in (few, many):
        draw(record, record.folder / "front.png")
        width, height = _size(record.folder / "front.png")
        assert width >= 1000
        assert height >= 500
    assert (few.folder / "front.png").read_bytes() != (many.folder / "front.png").read_bytes()


def drawn(record: Begun, monkeypatch: pytest.MonkeyPatch) -> Figure:
    """The picture before it is a file."""
    figures: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: figures.append(self))
    draw(record, record.folder / "front.png")
    return figures[0]


def texts(figure: Figure) -> set[str]:
    return {text.get_text().strip() for axis in figure.axes for text in axis.texts if text.get_visible()}


def test_its_legend_is_of_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ring where something is recommended, a hollow dot where something misses a target; targets by their names."""
    record = toy_record(tmp_path, toy_outcome(0.9, 1.0, 1000), toy_outcome(0.8, 0.1, 300, quantize="int8"))
    cases: dict[tuple[str, ...], set[str]] = {
        (): {"recommended"},
        ("latency<0.5ms", "accuracy>=70%", "download<1MB"): {"misses a target", "recommended"},
        ("accuracy>=99%",): {"misses a target"},
    }
    for targets, special in cases.items():
        judged = replace(record, meta=replace(record.meta, targets=targets))
        figure = drawn(replace(judged, points=judged.judged(judged.targets)), monkeypatch)
        labels = {text.get_text() for text in figure.legends[0].get_texts()}
        assert labels == {"float32", "int8", "baseline"} | special
        assert texts(figure) == {text.replace("1MB", "1MB →") for text in targets}


def test_its_axes_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four numbers at least, over less than a power of ten, too; what names a target stays inside."""
    record = toy_record(tmp_path, toy_outcome(0.9, 0.5, 900), toy_outcome(0.8, 0.2, 600, quantize="int8"))
    figure = drawn(replace(record, meta=replace(record.meta, targets=("latency<0.1ms", "download<1.2kB"))), monkeypatch)
    for axis in figure.axes:
        low, high = axis.get_xlim()
        assert sum(low <= tick <= high for tick in axis.get_xticks()) >= 4
    sides = {text.get_text().strip(): text.get_horizontalalignment() for axis in figure.axes for text in axis.texts}
    assert sides == {"latency<0.1ms": "left", "download<1.2kB": "right"}


def test_draws_other_objectives(tmp_path: Path) -> None:
    """One cost alone, or memory that is not known of every point."""
    outcomes = (
        toy_outcome(0.9, 1.0, 1000).with_latency(toy_measurement(1.0)),
        toy_outcome(0.8, 0.1, 300, quantize="int8"),
    )
    pictures = []
    for costs in (["size"], ["memory", "latency"], ["latency", "download"]):
        record = toy_record(tmp_path, *outcomes)
        record = replace(record, meta=replace(record.meta, objectives=("quality", *costs)))
        draw(record, tmp_path / "front.png")
        pictures.append((tmp_path / "front.png").read_bytes())
    assert len(set(pictures)) == 3


def test_a_baseline_alone_is_drawn(tmp_path: Path) -> None:
    """A study cut off before its first trial outside the baseline."""
    record = replace(toy_record(tmp_path, toy_outcome(0.9, 1.0, 1000)), points=[])
    draw(record, tmp_path / "front.png")
    assert _size(tmp_path / "front.png")[0] >= 1000
