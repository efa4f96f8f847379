"""The front as an interactive figure."""

import re
from dataclasses import replace
from pathlib import Path

from autotune.report.figures import MOST, front_figure, write_front
from autotune.targets.metric import METRICS
from autotune.testing import toy_measurement, toy_outcome, toy_record

OUTCOMES = (
    toy_outcome(0.9, 1.0, 1000).with_latency(toy_measurement(1.0)),
    toy_outcome(0.8, 0.1, 300, quantize="int8", prune=0.5).with_latency(toy_measurement(0.1)),
    toy_outcome(0.7, 0.5, 500, quantize="qat"),
)


def test_has_a_panel_for_each_cost(tmp_path: Path) -> None:
    """With the front's intervals, the recommendation and what a point is; one cost alone where that is asked for."""
    record = toy_record(tmp_path, *OUTCOMES)
    figure = front_figure(record)
    assert [axis.title.text for axis in figure.select_xaxes()] == ["latency, median (ms)", "download (kB)"]
    [first] = [trace for trace in figure.data if trace.error_x.array is not None and trace.marker.color == "#d62728"]
    assert first.x == (0.1,)
    assert first.error_y.array[0] > 0
    [texts] = [trace.text for trace in figure.data if trace.marker.size == 1 and trace.xaxis == "x"]
    [text] = [text for text in texts if "trial 1" in text]
    assert "prune 50% + int8 on xnnpack, 1 thread" in text
    assert {"baseline", "recommended", "int8", "qat"} <= {trace.name for trace in figure.data}
    alone = front_figure(record, [METRICS["size"]], legend=False)
    assert [axis.title.text for axis in alone.select_xaxes()] == ["size (kB)"]
    assert not alone.layout.showlegend


def test_draws_targets(tmp_path: Path) -> None:
    """As dashed lines; one that is far from all that was measured by its name at the side that it is on."""
    record = toy_record(tmp_path, *OUTCOMES)
    targets = ("latency<2ms", "accuracy>=baseline-5%", "download<1MB")
    record = replace(record, meta=replace(record.meta, targets=targets))
    figure = front_figure(record)
    lines = {(shape.x0, shape.y0) for shape in figure.layout.shapes}
    assert (2.0, 0) in lines
    assert any(y == 0.85 for _, y in lines)
    assert not any(x == 1000.0 for x, _ in lines)
    assert {note.text for note in figure.layout.annotations} >= {"latency&lt;2ms", "download&lt;1MB →"}


def test_names_of_targets_stay_inside(tmp_path: Path) -> None:
    """To the right of a line that is far on the left, where a name to its left would be cut."""
    record = toy_record(tmp_path, *OUTCOMES)
    record = replace(record, meta=replace(record.meta, targets=("latency<0.09ms", "latency<0.9ms")))
    anchors = {note.text: note.xanchor for note in front_figure(record).layout.annotations}
    assert anchors == {"latency&lt;0.09ms": "left", "latency&lt;0.9ms": "right"}


def test_its_legend_is_of_what_is_there(tmp_path: Path) -> None:
    """No hollow dot where nothing misses a target."""
    record = toy_record(tmp_path, *OUTCOMES)
    missing = [replace(record.measured[0], violations={"latency<1ms": 1.0}), *record.measured[1:]]
    for points, there in ((record.points, False), (missing, True)):
        names = {trace.name for trace in front_figure(replace(record, points=points)).data}
        assert ("misses a target" in names) == there


def test_of_many_points_some_are_drawn(tmp_path: Path) -> None:
    """Of those off the front; else a browser could not pan them."""
    record = toy_record(tmp_path, *OUTCOMES)
    off = [replace(record.points[2], trial=trial) for trial in range(3, MOST + 10)]
    figure = front_figure(replace(record, points=[*record.points[:2], *off]), [METRICS["size"]])
    [drawn] = [trace for trace in figure.data if trace.opacity == 0.4]
    assert len(drawn.x) == MOST


def test_what_users_named_is_text(tmp_path: Path) -> None:
    """A plug-in's value can't be a tag under the pointer, nor end the page's script."""
    named = toy_outcome(0.9, 1.0, 1000, note="</script><b>")
    record = toy_record(tmp_path, named)
    assert any("&lt;/script&gt;" in text for trace in front_figure(record).data for text in trace.text or ())
    write_front(record, tmp_path / "front.html")
    assert "note </script>" not in (tmp_path / "front.html").read_text()


def test_file_needs_no_network(tmp_path: Path) -> None:
    """Plotly is inside."""
    write_front(toy_record(tmp_path / "some", *OUTCOMES), tmp_path / "front.html")
    page = (tmp_path / "front.html").read_text()
    assert len(page) > 1e6
    assert not re.search(r"<(script|link|img)[^>]*(src|href)=", page)
