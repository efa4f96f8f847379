"""What people see in the terminal."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from autotune.config import Value
from autotune.results.meta import DeviceFacts, Identity
from autotune.results.quality import Certainty, Scored
from autotune.results.record import Begun
from autotune.study.reporting import Summary
from autotune.targets.metric import CODECS
from autotune.terminal.lines import PlainOutput
from autotune.terminal.study import print_front, print_pick, print_summary
from autotune.terminal.table import TIED
from autotune.testing import toy_measurement, toy_outcome, toy_record
from autotune.text.units import UNSTABLE


@pytest.mark.parametrize(("scored", "misses"), [(0.84, True), (0.86, False)])
def test_a_test_score_that_misses_the_target_is_pointed_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], scored: float, misses: bool
) -> None:
    """The search's own number met it; the samples it never saw may not."""
    record = toy_record(tmp_path, toy_outcome(0.9, 1.0, 1000))
    tests = {"0": Scored({"accuracy": scored}, Certainty(0.01, (0.81, 0.89), samples=100))}
    record = replace(record, meta=replace(record.meta, targets=("accuracy>=0.85",)), tests=tests)
    front = record.front()
    assert front is not None
    print_pick(record, front)
    shown = capsys.readouterr().out
    assert (
        f"on the 100 test samples that the search never saw: accuracy {scored:.1%} (95 % interval 81.0% to 89.0%)"
        in shown
    )
    assert ("there it misses accuracy>=0.85" in shown) == misses


def shown(record: Begun, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines that a front is printed in."""
    front = record.front()
    assert front is not None
    print_front(record, front)
    return capsys.readouterr().out.splitlines()


def test_a_front_says_what_is_tied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By a mark on the second of two neighbours, and by name below; with a line that explains the mark."""
    outcomes = [toy_outcome(0.9, 10, 1000), toy_outcome(0.88, 5, 900, prune=0.5), toy_outcome(0.7, 1, 800, cluster=16)]
    lines = shown(toy_record(tmp_path, *outcomes), capsys)
    _, base, first, second, third = lines[:5]
    assert "  90.0% ±2.0" in base
    assert [TIED in line for line in (base, first, second, third)] == [False, False, True, False]
    assert f"{TIED} 88.0% ±2.0" in second
    assert lines[5].startswith(
        "± is the 95 % interval; ≈ can't be told apart from the trial above (on the same samples"
    )
    assert "  in accuracy it can't be told apart from trial 1" in lines


def test_a_front_without_ties_does_not_speak_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither in the table nor below it."""
    lines = shown(toy_record(tmp_path, toy_outcome(0.9, 10, 1000), toy_outcome(0.7, 1, 800)), capsys)
    assert not any(TIED in line or "told apart" in line for line in lines)


def test_a_front_says_which_latencies_are_tied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the same mark, on the second of two whose intervals overlap."""
    numbers = [(0.9, 10, 1000), (0.8, 9.9, 900), (0.7, 1, 800)]
    outcomes = [toy_outcome(*three).with_latency(toy_measurement(three[1])) for three in numbers]
    lines = shown(toy_record(tmp_path, *outcomes), capsys)
    assert [TIED in line for line in lines[1:5]] == [False, False, True, False]
    assert f"{TIED} 9.9 ms ±1.0%" in lines[3]
    assert TIED in lines[5]


def test_a_latency_that_is_not_to_be_trusted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where a file is recommended it says so, as where the front is; nothing where there is nothing to say."""
    outcome = toy_outcome(0.9, 10, 1000)
    good = toy_record(tmp_path, outcome.with_latency(toy_measurement(10)))
    bad = toy_record(tmp_path, outcome.with_latency(toy_measurement(10, "rounds differ by 20%")))
    bad = replace(bad, meta=replace(bad.meta, device=DeviceFacts("fake", emulated=True)))
    text = "\n".join(shown(bad, capsys))
    assert "* recommended: trial 0: accuracy 90.0%, ! 10 ms ±1.0%, 1.0 kB" in text
    assert "! its latency is not stable: rounds differ by 20%" in text
    assert "latencies are an emulator's" in text.replace("\n", " ")
    assert "  its latency is an emulator's" in text
    text = "\n".join(shown(good, capsys))
    assert "* recommended: trial 0: accuracy 90.0%, 10 ms ±1.0%, 1.0 kB" in text
    assert "emulator" not in text
    assert "stable" not in text


def test_what_meets_a_target_by_its_value_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing meets the targets, the nearest miss says in words why it is one, and what would help."""
    outcome = toy_outcome(0.871, 10, 1000).with_latency(toy_measurement(10))
    record = toy_record(tmp_path, outcome)
    for text, line in (
        (
            "accuracy>=86%",
            "accuracy 87.1% meets accuracy>=86%, its interval 85.1% to 89.1% does not: "
            "more validation samples would narrow it",
        ),
        (
            "latency<10.05ms",
            "latency 10 ms meets latency<10.05ms, its interval 9.9 ms to 10.1 ms does not: "
            "a quieter device would narrow it",
        ),
    ):
        record = replace(record, meta=replace(record.meta, targets=(text,)))
        lines = shown(replace(record, points=record.judged(record.targets)), capsys)
        assert f"not for sure {text}" in lines[2]
        assert any(one.startswith("nothing meets the targets; nearest is trial 0:") for one in lines)
        assert f"  {line}" in lines
    record = replace(record, meta=replace(record.meta, targets=("accuracy>=90%",)))
    lines = shown(replace(record, points=record.judged(record.targets)), capsys)
    assert not any("narrow" in one for one in lines)


@pytest.mark.parametrize("paired", [False, True])
def test_a_doubt_about_a_difference_says_so(paired: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where it is to the baseline on the same samples; else it is the file's own interval."""
    record = toy_record(tmp_path, toy_outcome(0.9, 10, 1000))
    record = replace(record, meta=replace(record.meta, targets=("accuracy>=baseline-1%",)))
    point = record.judge(record.measured[0], record.targets)
    if paired:
        point = replace(point, held={"accuracy>=baseline-1%": (0.885, 0.915)})
    text = "\n".join(shown(replace(record, points=[point]), capsys))
    told = ", beside the baseline on the same samples, 88.5% to 91.5%" if paired else " 88.0% to 92.0%"
    assert f"accuracy 90.0% meets accuracy>=baseline-1%, its interval{told} does not" in text


def test_objectives_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Memory as a column of its own, "?" where it is not known; by name in the recommendation."""
    outcomes = [toy_outcome(0.9, 10, 1000).with_latency(toy_measurement(10)), toy_outcome(0.8, 5, 900, prune=0.5)]
    record = toy_record(tmp_path, *outcomes)
    record = replace(record, meta=replace(record.meta, objectives=("quality", "latency", "size", "memory")))
    lines = shown(record, capsys)
    assert lines[0].split()[-5:] == ["accuracy", "median", "size", "download", "memory"]
    assert lines[2].endswith("1.00 MB")
    assert lines[3].endswith("?")
    assert any("accuracy 90.0%, 10 ms ±1.0%, size 1.2 kB, memory 1.00 MB (" in line for line in lines)
    assert any(line.endswith("the least latency x size x memory") for line in lines)


def test_codecs_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The study's above its column, all of them below the recommendation; nothing of it where they were not kept."""
    outcome = toy_outcome(0.9, 10, 800)
    assert "to download" not in "\n".join(shown(toy_record(tmp_path, outcome), capsys))
    weights = {f"download_{codec}_bytes": 800.0 + 100 * at for at, codec in enumerate(CODECS)}
    record = toy_record(tmp_path, replace(outcome, metrics=outcome.metrics | weights))
    lines = shown(replace(record, meta=replace(record.meta, identity=Identity(codec="brotli"))), capsys)
    assert lines[0].split()[-3:] == ["size", "download", "(brotli)"]
    assert "  to download: gzip 0.8 kB, brotli 0.9 kB, zstd 1.0 kB, xz 1.1 kB" in lines


def test_many_rivals_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A few are named."""
    outcomes = [toy_outcome(0.9 - index / 1000, 10 + index, 1000 - 100 * index) for index in range(9)]
    lines = shown(toy_record(tmp_path, *outcomes), capsys)
    [line] = [line for line in lines if "told apart from trial" in line and not line.startswith("±")]
    assert line.endswith("and 3 more")


def test_the_widest_row_of_a_front_fits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In 120 columns, none cut off."""
    widest: dict[str, Value] = {
        "prune": 0.85,
        "cluster": 256,
        "fine_tune": "none",
        "quantize": "dynamic",
        "mixed": 0.55,
    }
    first = toy_outcome(0.999, 99.9, 99_990_000, delegate="openvino_cpu", threads=16, **widest)
    second = toy_outcome(0.998, 99.8, 99_980_000, delegate="openvino_cpu", threads=16, **widest)
    outcomes = [
        one.with_latency(toy_measurement(one.metrics["latency_ms"], "rounds differ")) for one in (first, second)
    ]
    lines = shown(toy_record(tmp_path, *outcomes), capsys)
    assert f"{TIED} {UNSTABLE} 99.8 ms ±1.0%" in lines[3]
    assert max(map(len, lines[:4])) <= 120
    assert "…" not in "".join(lines[:4])


@pytest.mark.parametrize(("columns", "width"), [("200", 200), ("", 120), ("0", 120), ("many", 120)])
def test_a_file_is_as_wide_as_it_is_said_to_be(columns: str, width: int) -> None:
    """By COLUMNS, as programs take it; else as wide as a front mostly is."""
    command = [sys.executable, "-c", "from autotune.terminal.study import console; print(console.width)"]
    printed = subprocess.run(command, env=os.environ | {"COLUMNS": columns}, capture_output=True, text=True, check=True)
    assert printed.stdout == f"{width}\n"


def summary_lines(record: Begun, capsys: pytest.CaptureFixture[str]) -> list[str]:
    usage = {"trained": 0.0, "converted": 1.0, "reused": 0.0, "busy_s": 1.0, "wall_s": 2.0}
    print_summary(Summary(record, usage, 0), None)
    return capsys.readouterr().out.splitlines()


def test_a_file_is_offered_that_can_be_had(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The recommended one, or by its number what is nearest to targets that nothing meets."""
    record = toy_record(tmp_path, toy_outcome(0.9, 10, 1000), toy_outcome(0.8, 5, 900))
    study, folder = tmp_path.name, f"--dir {tmp_path.parent}"
    assert f"take a file home:   autotune pick {study} {folder}" in summary_lines(record, capsys)
    record = replace(record, meta=replace(record.meta, targets=("accuracy>=95%",)))
    lines = summary_lines(replace(record, points=record.judged(record.targets)), capsys)
    assert f"take the nearest:   autotune pick {study} --trial 0 {folder}" in lines
    assert not any("take a file home" in line for line in lines)
    assert not any(line.startswith("take") for line in summary_lines(replace(record, points=[]), capsys))


def test_before_the_first_trial_no_target_is_missed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is no best yet."""
    record = toy_record(tmp_path, toy_outcome(0.9, 10, 1000))
    PlainOutput().progress(replace(record, points=[]), 9)
    assert capsys.readouterr().out.endswith("best: none yet\n")
    record = replace(record, meta=replace(record.meta, targets=("accuracy>=95%",)))
    PlainOutput().progress(replace(record, points=record.judged(record.targets)), 9)
    assert capsys.readouterr().out.endswith("best: nothing meets the targets yet\n")


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_front_fits_the_terminal(
    width: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where that is too narrow for all columns, the numbers are whole and the recipes are cut."""
    monkeypatch.setattr("autotune.terminal.study.console", Console(highlight=False, width=width))
    pruned: dict[str, Value] = {"prune": 0.5, "cluster": 16, "quantize": "int8", "mixed": 0.5}
    outcomes = [toy_outcome(0.9, 10, 146_400), toy_outcome(0.88, 5.25, 90_000, **pruned)]
    lines = shown(
        toy_record(tmp_path, *[one.with_latency(toy_measurement(one.metrics["latency_ms"])) for one in outcomes]),
        capsys,
    )
    assert all(len(line) <= width for line in lines[:4])
    for text in ("88.0%", "5.25 ms", *(["90.0 kB", "xnnpack x1"] if width > 40 else [])):
        assert text in lines[3]
    assert ("…" in lines[3]) == (width < 120)
    assert ("±" in lines[3]) == (width == 120)
