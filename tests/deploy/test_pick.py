"""Picking: which point, and the files that are handed out."""

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from autotune.config import Config
from autotune.deploy.caveats import drift
from autotune.deploy.pick import Picked, choose, hand_out
from autotune.deploy.recheck import Rechecked
from autotune.errors import UserError
from autotune.files import sha256
from autotune.results.decision import KNEE, TRIAL, WEIGHTS, DecisionRule
from autotune.results.meta import DeviceFacts
from autotune.results.outcome import Refused
from autotune.results.quality import Certainty, Scored
from autotune.results.record import BASELINE, Begun, Record
from autotune.targets.target import parse
from autotune.terminal.study import print_pick
from autotune.testing import toy_measurement, toy_outcome, toy_record
from tests.compress import tables
from tests.damage import KINDS
from tests.tflite import stateful

TESTED = Scored({"accuracy": 0.79}, Certainty(0.01, (0.77, 0.81), samples=100))
REFUSED = Refused(Config.of({"delegate": "builtin"}), "no kernel")


@pytest.fixture
def record(tmp_path: Path) -> Begun:
    """A baseline, a faster trial, one that was refused, and a dominated one."""
    outcomes = (toy_outcome(0.9, 10, 1000), toy_outcome(0.8, 5, 500, quantize="int8", threads=2), REFUSED)
    made = toy_record(tmp_path / "study", *outcomes, toy_outcome(0.7, 20, 2000, delegate="reference"))
    return replace(made, tests={"1": TESTED})


def handed(record: Begun, trial: int | None, out: Path, targets: tuple[str, ...] = ()) -> tuple[Path, dict[str, Any]]:
    """Chosen and handed out."""
    front, point = choose(record, [parse(text)[0] for text in targets], trial)
    assert point is not None
    return hand_out(Picked(record, front, point, Rechecked.unmeasured(record, point)), out)


def test_choose_takes_the_recommended_point(record: Begun) -> None:
    """As the front picks it."""
    front, point = choose(record, None, None)
    assert point == front.pick()
    assert point is not None
    assert point.trial == 0


def test_choose_by_targets(record: Begun) -> None:
    """Those of the moment decide."""
    _, point = choose(record, [parse("latency<8ms")[0]], None)
    assert point is not None
    assert point.trial == 1


def test_choose_finds_nothing_that_meets_the_targets(record: Begun) -> None:
    """The front is there all the same."""
    front, point = choose(record, [parse("latency<1ms")[0]], None)
    assert point is None
    assert len(front.points) == 2


def test_choose_by_trial(record: Begun) -> None:
    """Also one that is not on the front."""
    front, point = choose(record, None, 3)
    assert point == record.points[3]
    assert point not in front.points


@pytest.mark.parametrize("trial", [0, 1, 3])
@pytest.mark.parametrize(
    ("text", "feasible"), [("latency<8ms", {1}), ("accuracy>=75%", {0, 1}), ("latency<1ms", set())]
)
def test_choose_by_trial_and_targets(record: Begun, trial: int, text: str, feasible: set[int]) -> None:
    """Whether the trial is feasible is a matter of the given targets, on the front or off it."""
    own = replace(record, points=[replace(point, violations={"size<1B": 9.0}) for point in record.points])
    for study in (record, own):
        front, point = choose(study, [parse(text)[0]], trial)
        assert point is not None
        assert (point.trial, point.feasible) == (trial, trial in feasible)
        assert list(point.violations) == [text]
        assert [target.text for target in front.targets] == [text]


def test_recipe_of_a_trial_says_whether_it_meets_the_given_targets(record: Begun, tmp_path: Path) -> None:
    """Not whether it met those of the study."""
    assert not handed(record, 0, tmp_path / "out", ("latency<8ms",))[1]["feasible"]
    assert handed(record, 1, tmp_path / "out", ("latency<8ms",))[1]["feasible"]


@pytest.mark.parametrize("trial", [2, 4])
def test_choose_refuses_trials_that_were_not_measured(record: Begun, trial: int) -> None:
    """Refused ones, and those that never were."""
    with pytest.raises(UserError, match=f"has no measured trial {trial}; see autotune front study --dir .* --all"):
        choose(record, None, trial)


def test_choose_refuses_a_study_without_trials(record: Begun) -> None:
    """Before the baseline, and where all was refused."""
    for empty in (Record(record.name, record.folder, record.meta), replace(record, points=[record.points[2]])):
        with pytest.raises(UserError, match="study 'study' has no measured trials yet"):
            choose(empty, None, None)


def test_file_and_recipe_lie_side_by_side(record: Begun, tmp_path: Path) -> None:
    """In a folder that is made where it is missing, named by study and trial."""
    file, recipe = handed(record, 1, tmp_path / "new" / "out")
    assert file == tmp_path / "new" / "out" / "study-1.tflite"
    assert file.read_bytes() == b"toy 1"
    assert json.loads(file.with_suffix(".json").read_text()) == recipe
    assert sorted(path.name for path in file.parent.iterdir()) == ["study-1.json", "study-1.md", "study-1.tflite"]


def test_recipe_says_what_was_handed_out(record: Begun, tmp_path: Path) -> None:
    """How it was made, what it measured where, and what was asked for."""
    _, recipe = handed(record, 1, tmp_path / "out", ("latency<8ms",))
    outcome = record.measured[1].outcome
    assert recipe.pop("load").startswith("from ai_edge_litert")
    assert recipe == {
        "model": "study-1.tflite",
        "study": "study",
        "trial": 1,
        "config": outcome.config.canonical(),
        "metrics": outcome.metrics,
        "feasible": True,
        "targets": ["latency<8ms"],
        "rule": {"by": "one-se"},
        "runners_up": [],
        "remeasured": None,
        "test": TESTED.to_json(),
        "baseline_test": None,
        "remarks": [],
        "standard_error": 0.01,
        "interval": [pytest.approx(0.78), pytest.approx(0.82)],
        "evaluated_on": None,
        "tied_with": [],
        "layers": [],
        "from": {
            "model": ["toy.keras"],
            "data": "toy.npz",
            "space": "quick",
            "loss": "sparse_categorical_crossentropy",
            "metric": "accuracy",
            "seed": 0,
        },
        "device": {"device": "fake"},
        "sha256": hashlib.sha256(b"toy 1").hexdigest(),
    }


def test_recipe_says_how_far_its_latency_is_to_be_trusted(record: Begun, tmp_path: Path) -> None:
    """Its interval, whether it is stable, and whether it is an emulator's."""
    timed = record.measured[1].outcome.with_latency(toy_measurement(5.0, "rounds differ by 20%"))
    shaky = replace(
        record,
        meta=replace(record.meta, device=DeviceFacts("fake", emulated=True)),
        points=[replace(record.measured[1], outcome=timed)],
    )
    _, recipe = handed(shaky, 1, tmp_path / "out")
    assert recipe["latency_interval"] == [pytest.approx(4.95), pytest.approx(5.05)]
    assert (recipe["verdict"], recipe["emulated"]) == ("rounds differ by 20%", True)


def test_recipe_names_what_is_as_good(record: Begun, tmp_path: Path) -> None:
    """The trials that meet the targets and whose quality can't be told apart from the file's."""
    near = replace(record.measured[1], trial=7, outcome=toy_outcome(0.81, 6, 500, quantize="float16"))
    more = replace(record, points=[*record.points, near])
    assert handed(more, 1, tmp_path / "out")[1]["tied_with"] == [7]
    assert handed(more, 1, tmp_path / "out", ("latency<5.5ms",))[1]["tied_with"] == []


def test_recipe_without_a_test_score(record: Begun, tmp_path: Path) -> None:
    """Says that there is none."""
    assert handed(record, 0, tmp_path / "out")[1]["test"] is None


def test_handing_out_again_replaces(record: Begun, tmp_path: Path) -> None:
    """The second time is as the first."""
    first, _ = handed(record, 1, tmp_path)
    first.write_bytes(b"old")
    assert handed(record, 1, tmp_path)[0].read_bytes() == b"toy 1"


def test_the_studys_file_stays(record: Begun, tmp_path: Path) -> None:
    """It is copied, not moved."""
    handed(record, 1, tmp_path / "out")
    assert (record.folder / "1.tflite").read_bytes() == b"toy 1"


def test_out_that_is_no_folder(record: Begun, tmp_path: Path) -> None:
    """A file in the way is an error with the option's name."""
    (tmp_path / "out").write_text("a file")
    for folder in (tmp_path / "out", tmp_path / "out" / "below"):
        with pytest.raises(UserError, match=r"--out .*; choose another folder"):
            handed(record, 1, folder)


@pytest.mark.parametrize("kind", KINDS)
def test_file_that_is_not_the_one_that_was_measured(kind: str, record: Begun, tmp_path: Path) -> None:
    """Gone, cut, flipped, whatever: the message says which and what to do, and nothing is written."""
    front, point = choose(record, None, 1)
    assert point is not None
    KINDS[kind](record.folder / "1.tflite")
    message = r"1\.tflite is gone or damaged, and not in the cache either; the same autotune run builds it again"
    with pytest.raises(UserError, match=message):
        choose(record, None, 1)
    with pytest.raises(UserError, match=message):  # also where that happened after it was chosen
        hand_out(Picked(record, front, point, Rechecked.unmeasured(record, point)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_study_that_kept_no_checksum(record: Begun, tmp_path: Path) -> None:
    """Its files are handed out; one that was cut is told by its size."""
    outcome = record.measured[1].outcome
    before = replace(outcome, sha256=None, metrics=outcome.metrics | {"size_bytes": 5.0})
    old = replace(record, points=[record.measured[0], replace(record.measured[1], outcome=before)])
    file, recipe = handed(old, 1, tmp_path / "out")
    assert recipe["sha256"] == sha256(file) == outcome.sha256
    KINDS["cut by a byte"](record.folder / "1.tflite")
    with pytest.raises(UserError, match=r"1\.tflite is gone or damaged"):
        handed(old, 1, tmp_path / "out")


def test_a_copy_that_went_wrong(record: Begun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is not handed out, and does not replace the one that is there."""
    file, _ = handed(record, 1, tmp_path / "out")

    def copyfile(_: str, to: Path) -> None:
        to.write_bytes(b"half of")

    monkeypatch.setattr("shutil.copyfile", copyfile)
    with pytest.raises(UserError, match="the copy is not the file that was measured"):
        handed(record, 1, tmp_path / "out")
    assert file.read_bytes() == b"toy 1"


def test_recipe_for_the_delegate_of_a_plug_in(tmp_path: Path) -> None:
    """The file is handed out as any other."""
    record = toy_record(tmp_path / "study", toy_outcome(0.9, 10, 1000, delegate="hexagon"))
    file, recipe = handed(record, 0, tmp_path / "out")
    assert file.is_file()
    assert recipe["load"].startswith("# ")


def looked_at(record: Begun, trial: int, found: Rechecked, *targets: str) -> list[str]:
    """What a second look says of a trial."""
    front, point = choose(record, [parse(text)[0] for text in targets], trial)
    assert point is not None
    return Picked(record, front, point, found).remarks


def timed(record: Begun, trial: int, latency_ms: float) -> Begun:
    """With a latency that has an interval, of 1 % to either side."""
    [point] = [point for point in record.measured if point.trial == trial]
    again = replace(point, outcome=point.outcome.with_latency(toy_measurement(latency_ms)))
    return replace(record, points=[again if other is point else other for other in record.points])


def test_choose_by_rule(record: Begun) -> None:
    """The rule decides, among what meets the targets."""
    fast = DecisionRule(WEIGHTS, {"latency": 1})
    _, point = choose(record, None, None, fast)
    assert point is not None
    assert point.trial == 1
    _, point = choose(record, [parse("accuracy>=85%")[0]], None, fast)
    assert point is not None
    assert point.trial == 0


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (DecisionRule(), {"by": "one-se"}),
        (DecisionRule(KNEE), {"by": "knee"}),
        (DecisionRule(TRIAL), {"by": "trial"}),
        (DecisionRule(WEIGHTS, {"latency": 2.0}), {"by": "weights", "weights": {"latency": 2.0}}),
    ],
)
def test_recipe_says_how_it_was_chosen(record: Begun, tmp_path: Path, rule: DecisionRule, told: dict[str, Any]) -> None:
    """The rule with its weights, and what it would have taken otherwise."""
    front, _ = choose(record, None, None)
    _, recipe = hand_out(Picked(record, front, record.measured[0], Rechecked(), rule), tmp_path / "out")
    assert recipe["rule"] == told
    [other] = recipe["runners_up"]
    assert other["trial"] == 1
    assert other["change"] == {
        "accuracy": pytest.approx(-0.1),
        "latency_ms": pytest.approx(-5.0),
        "download_bytes": pytest.approx(-500.0),
    }


def test_recipe_has_what_a_second_look_found(record: Begun, tmp_path: Path) -> None:
    """The latency as it is now beside the study's, the test, and every remark."""
    front, point = choose(timed(record, 1, 5.0), None, 1)
    assert point is not None
    found = Rechecked(toy_measurement(10.0, "it was hot"), TESTED, ["the data is gone"])
    _, recipe = hand_out(Picked(record, front, point, found), tmp_path / "out")
    assert recipe["metrics"]["latency_ms"] == 5.0
    assert recipe["remeasured"]["p50_ms"] == 10.0
    assert recipe["remeasured"]["change"] == pytest.approx(1.0)
    assert recipe["remeasured"]["intervals_meet"] is False
    assert recipe["test"] == TESTED.to_json()
    assert [remark.partition(":")[0] for remark in recipe["remarks"]] == [
        "the data is gone",
        "its latency is now 10 ms, +100% off the search's, and the intervals do not meet",
        "its latency now is not stable",
    ]
    assert json.loads((tmp_path / "out" / "study-1.json").read_text()) == json.loads(json.dumps(recipe))


@pytest.mark.parametrize(
    ("now", "meet", "told"),
    [(5.0, True, False), (5.09, True, False), (5.2, False, False), (4.5, False, True), (5.5, False, True)],
)
def test_a_latency_that_has_moved(record: Begun, now: float, meet: bool, told: bool) -> None:
    """Is worth a word where the intervals do not meet and the change is more than the device's own."""
    study = timed(record, 1, 5.0)
    assert drift(study.measured[1], toy_measurement(now)).intervals_meet is meet
    assert bool(looked_at(study, 1, Rechecked(toy_measurement(now)))) is told


def test_a_latency_without_an_interval(record: Begun) -> None:
    """Of an old study: the number alone is held against what is measured now."""
    assert asdict(drift(record.measured[1], toy_measurement(5.04))) == {
        "change": pytest.approx(0.008),
        "intervals_meet": True,
    }
    assert drift(record.measured[1], toy_measurement(5.1)).intervals_meet is False


def test_a_target_that_is_missed_by_what_is_measured_now(record: Begun) -> None:
    """Told, where the point met it in the study."""
    study = timed(record, 1, 5.0)
    [line] = looked_at(study, 1, Rechecked(toy_measurement(5.2)), "latency<5.1ms")
    assert line.startswith("as measured now: misses latency<5.1ms")
    assert looked_at(study, 1, Rechecked(toy_measurement(5.2)), "latency<4ms") == []  # nobody said that it met it


@pytest.mark.parametrize(("value", "told"), [(0.8, False), (0.775, False), (0.77, True), (0.83, True)])
def test_quality_on_the_test_split(record: Begun, value: float, told: bool) -> None:
    """Is worth a word where chance does not explain what it is off: ± 0.02 on either side make ± 0.028."""
    scores = Scored({"accuracy": value}, replace(TESTED.certainty, bounds=(value - 0.02, value + 0.02)))
    lines = looked_at(record, 1, Rechecked(test=scores))
    assert [line.partition(",")[0] for line in lines] == [
        f"its accuracy is {value:.1%} on the test split and 80.0% on validation"
    ] * told


def test_target_missed_on_the_test_split(record: Begun) -> None:
    """The bound that the study's number meets."""
    [line] = looked_at(record, 1, Rechecked(test=TESTED), "accuracy>=79.5%")
    assert line.startswith("on the test split it misses accuracy>=79.5% by 0.5 points")


@pytest.mark.parametrize(
    ("baseline", "told"), [(0.80, False), (0.81, True), (0.9, True), (None, False)], ids=["near", "far", "luck", "old"]
)
def test_a_target_beside_the_baseline_on_the_test_split(
    record: Begun, tmp_path: Path, capsys: pytest.CaptureFixture[str], baseline: float | None, told: bool
) -> None:
    """Is held against what the baseline scores there, not on validation, where it has 90 %: by pick and at a run's
    end. A study that does not know it says nothing.
    """
    beside = None if baseline is None else replace(TESTED, scores={"accuracy": baseline})
    lines = looked_at(record, 1, Rechecked(test=TESTED, baseline=beside), "accuracy>=baseline-1%")
    assert bool(lines) is told
    meta = replace(record.meta, targets=("accuracy>=baseline-1%", "latency<8ms"))
    point = replace(record.measured[1], violations={})
    tests = record.tests if beside is None else record.tests | {str(BASELINE): beside}
    study = replace(record, meta=meta, points=[point], tests=tests)
    print_pick(study, study.front())
    shown = capsys.readouterr().out
    assert ("there it misses accuracy>=baseline-1% by" in shown) is told
    assert (f"the baseline {baseline or 0:.1%}" in shown) is (baseline is not None)


def test_what_was_taken_out_is_named(tmp_path: Path) -> None:
    """Dead channels, and those that were cut, by layer: in the recipe and on the page."""
    cuts = {
        "dead": {"channels": {"first": [64, 16]}, "macs": [900, 300], "parameters": [90, 30]},
        "cut": {"first": [16, 8], "second": [32, 24]},
        "macs": [300, 200],
    }
    outcome = replace(toy_outcome(0.8, 5, 500), stages={"layers": [], **cuts})
    record = toy_record(tmp_path / "study", toy_outcome(0.9, 10, 1000), outcome)
    file, recipe = handed(record, 1, tmp_path / "out")
    assert {name: recipe[name] for name in cuts} == cuts
    page = file.with_suffix(".md").read_text()
    assert "Channels that changed nothing, taken out: first 64 → 16.\n" in page
    assert "Channels cut: first 16 → 8, second 32 → 24.\n" in page
    plain, recipe = handed(record, 0, tmp_path / "out")
    assert not cuts.keys() & recipe.keys()
    assert "Channels" not in plain.with_suffix(".md").read_text()


def test_a_page_lies_beside_them(record: Begun, tmp_path: Path) -> None:
    """For people: what the file is, its numbers with their intervals, what speaks against it, and code that runs it."""
    front, point = choose(timed(record, 1, 5.0), [parse("latency<8ms")[0]], 1)
    assert point is not None
    found = Rechecked(toy_measurement(10.0, "it was hot"), TESTED, ["the data is gone"])
    file, _ = hand_out(Picked(record, front, point, found), tmp_path / "out")
    page = file.with_suffix(".md").read_text()
    assert page.startswith("# study-1.tflite\n\nint8: study study, for latency<8ms. All of it is in study-1.json.\n")
    [row] = [line for line in page.splitlines() if line.startswith("| fake ")]
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        "fake",
        "xnnpack x2",
        "80.0% (78.0% to 82.0%)",
        "79.0% (77.0% to 81.0%)",
        "10 ms ±1.0% (it was hot)",
        "0.6 kB",
        "0.5 kB",
    ]
    assert "- fake: the data is gone" in page
    assert "## python, fake: xnnpack, 2 threads" in page
    assert page.count("```") == 2 * 3
    assert repr(str(file)) in page


@pytest.mark.parametrize(
    ("file", "advice"),
    [
        (stateful.variables(), "reset_all_variables()"),
        (stateful.resources(), "open it anew before each sample"),
        (tables.small(), ""),
    ],
    ids=["variables", "resources", "nothing"],
)
def test_a_file_that_keeps_state_is_told_of(record: Begun, tmp_path: Path, file: bytes, advice: str) -> None:
    """By remark, page and recipe: what it was measured as, and what whoever runs it has to do."""
    (record.folder / "1.tflite").write_bytes(file)
    point = record.measured[1]
    outcome = replace(point.outcome, sha256=hashlib.sha256(file).hexdigest())
    record = replace(record, points=[record.points[0], replace(point, outcome=outcome)])
    out, recipe = handed(record, 1, tmp_path / "out")
    page = out.with_suffix(".md").read_text()
    for text in (" ".join(recipe["remarks"]), page):
        assert ("keeps state from one inference to the next" in text) is bool(advice)
    assert advice in recipe["load"]
    assert advice in page


def test_what_stays_float_in_a_quantized_file_is_told(record: Begun) -> None:
    """A recurrent operator's weights, where a scheme was asked for; of a float file there is nothing to say."""
    row = {"name": "w", "operator": "UNIDIRECTIONAL_SEQUENCE_LSTM", "dtype": "float32", "weights": 30}
    dense = {"name": "d", "operator": "FULLY_CONNECTED", "dtype": "int8", "weights": 10}
    for trial, told in (
        (0, []),
        (1, ["LiteRT's quantizer leaves UNIDIRECTIONAL_SEQUENCE_LSTM float: 75% of the weights"]),
    ):
        point = record.measured[trial]
        outcome = replace(point.outcome, stages={"layers": [row, dense]})
        points = [replace(point, outcome=outcome) if other is point else other for other in record.points]
        assert looked_at(replace(record, points=points), trial, Rechecked()) == told
