"""The front as a PNG."""

from dataclasses import replace
from pathlib import Path

from autotune.report.picture import draw
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
