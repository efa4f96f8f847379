"""Targets: what can be written, what it means, what is refused and why."""

import itertools

import pytest

from autotune.errors import UserError
from autotune.targets.metric import METRICS, UNITS, Metric, is_quality, quality
from autotune.targets.target import Target, parse, parse_all, resolve

BASELINE = {
    "accuracy": 0.8,
    "latency_ms": 40.0,
    "latency_p90_ms": 50.0,
    "size_bytes": 2000.0,
    "download_bytes": 1000.0,
    "mae": 2.0,
    "mse": 5.0,
}


def target(text: str) -> Target:
    """A target that needs no remark."""
    parsed, remark = parse(text)
    assert remark is None
    return parsed


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("latency<50ms", 50),
        ("latency<50us", 0.05),
        ("latency<50µs", 0.05),
        ("latency<0.5s", 500),
        ("latency_p90<50ms", 50),
        ("size<100B", 100),
        ("size<100kB", 100_000),
        ("size<1.5MB", 1_500_000),
        ("size<2GB", 2_000_000_000),
        ("download<100KiB", 102_400),
        ("download<1MiB", 1_048_576),
        ("download<1GiB", 1_073_741_824),
        ("accuracy>=90%", 0.9),
        ("accuracy>=0.9", 0.9),
        ("accuracy>=1", 1),
        ("mae<0.5", 0.5),
        ("mse<=.5", 0.5),
        ("mse<1e-2", 0.01),
    ],
)
def test_absolute_bounds(text: str, bound: float) -> None:
    """A number with any unit of its metric, in the unit that the metric is kept in."""
    assert target(text).bound({}) == pytest.approx(bound)


def test_every_unit_is_known_to_some_metric() -> None:
    """Each unit of the table can be written after a number."""
    for metric in METRICS.values():
        for unit, factor in UNITS[metric.kind].items():
            parsed = target(f"{metric.name}<1{unit}")
            assert parsed.metric is metric
            assert parsed.bound({}) == pytest.approx(factor)


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("accuracy>=baseline", 0.8),
        ("accuracy>=baseline-1%", 0.79),
        ("accuracy>=baseline-0.01", 0.79),
        ("accuracy>=baseline+2%", 0.82),
        ("accuracy>=baseline*0.5", 0.4),
        ("accuracy>=50%*baseline", 0.4),
        ("latency<baseline", 40),
        ("latency<baseline-1%", 39.6),
        ("latency<baseline+25%", 50),
        ("latency<baseline-5ms", 35),
        ("latency<baseline+1s", 1040),
        ("latency<baseline-5", 35),
        ("latency<baseline*0.5", 20),
        ("latency<baseline*50%", 20),
        ("latency<0.5*baseline", 20),
        ("latency<50%*baseline", 20),
        ("latency<baseline/4", 10),
        ("latency_p90<baseline/2", 25),
        ("size<baseline-1kB", 1000),
        ("download<baseline/4", 250),
        ("mae<baseline+5%", 2.1),
        ("mse<=baseline+0.5", 5.5),
    ],
)
def test_relative_bounds(text: str, bound: float) -> None:
    """Shifts and factors; a percentage is of points for accuracy, a share of the baseline elsewhere."""
    assert target(text).bound(BASELINE) == pytest.approx(bound)


def test_spaces_do_not_matter() -> None:
    """Around every part."""
    assert target("  accuracy  >=  baseline - 1 %  ").bound(BASELINE) == pytest.approx(0.79)
    assert target("latency < 50 ms").bound({}) == 50
    assert target("latency < 50 % * baseline").bound(BASELINE) == pytest.approx(20)
    assert target("latency < baseline / 4").bound(BASELINE) == pytest.approx(10)


def test_text_is_kept() -> None:
    """As the user wrote it."""
    assert target("latency < 50 ms").text == "latency < 50 ms"


@pytest.mark.parametrize(
    ("text", "below", "at", "above"),
    [
        ("latency<50ms", True, False, False),
        ("latency<=50ms", True, True, False),
        ("latency>50ms", False, False, True),
        ("latency>=50ms", False, True, True),
    ],
)
def test_strict_and_not_strict_differ_at_the_bound(text: str, below: bool, at: bool, above: bool) -> None:
    """Only there: below and above it they agree."""
    assert [target(text).met(value, {}) for value in (49, 50, 51)] == [below, at, above]


def test_met_is_of_the_baseline() -> None:
    """A relative target moves with it."""
    faster = target("latency<baseline/2")
    assert faster.met(19, {"latency_ms": 40.0})
    assert not faster.met(19, {"latency_ms": 30.0})


@pytest.mark.parametrize("operator", ["<", "<=", ">", ">="])
@pytest.mark.parametrize("bound", ["0.3", "1", "7", "baseline", "baseline/3", "baseline-0.1"])
def test_violation_is_above_zero_exactly_where_missed(operator: str, bound: str) -> None:
    """At the bound, one floating-point step beside it, and far away."""
    parsed = target(f"mae{operator}{bound}")
    exact = parsed.bound(BASELINE)
    for value in (0.0, exact * (1 - 2**-52), exact, exact * (1 + 2**-52), 100.0):
        assert (parsed.violation(value, BASELINE) > 0) == (not parsed.met(value, BASELINE))


@pytest.mark.parametrize(("operator", "worse"), [("<", 9), ("<=", 9), (">", 4), (">=", 4)])
def test_worse_end_of_an_interval(operator: str, worse: float) -> None:
    """The one whose violation is larger."""
    parsed = target(f"mae{operator}5")
    assert parsed.worse(4, 9) == worse
    assert parsed.better(4, 9) == 13 - worse
    assert parsed.violation(worse, {}) > parsed.violation(13 - worse, {})


def test_violation_at_a_bound_of_zero() -> None:
    """Nothing is divided by zero."""
    none = target("mae<=0")
    assert none.violation(0.2, {}) == pytest.approx(0.2)
    assert none.violation(0.0, {}) <= 0
    assert target("mae>0").violation(0.0, {}) > 0


@pytest.mark.parametrize(
    ("text", "value", "violation"),
    [
        ("latency<50ms", 75, 0.5),
        ("latency<50ms", 25, -0.5),
        ("latency<baseline/2", 30, 0.5),
        ("accuracy>=80%", 0.6, 0.25),
        ("accuracy>=80%", 0.9, -0.125),
        ("size<100kB", 300_000, 2),
    ],
)
def test_violation_is_in_units_of_the_bound(text: str, value: float, violation: float) -> None:
    """So that those of milliseconds and bytes can be summed."""
    assert target(text).violation(value, BASELINE) == pytest.approx(violation)


@pytest.mark.parametrize("sign", ["=", "=="])
@pytest.mark.parametrize(
    ("metric", "bound", "operator"), [("latency", "50ms", "<="), ("mae", "0.5", "<="), ("accuracy", "baseline", ">=")]
)
def test_equals_is_read_as_the_good_direction(sign: str, metric: str, bound: str, operator: str) -> None:
    """With a remark that says so."""
    parsed, remark = parse(f"{metric}{sign}{bound}")
    assert parsed.operator == operator
    assert remark == f"target '{metric}{sign}{bound}' is taken as {metric}{operator}{bound}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not of the form METRIC<BOUND, such as 'latency<50ms'"),
        ("fast please", "not of the form METRIC<BOUND"),
        ("latency!50ms", "not of the form METRIC<BOUND"),
        ("latency", r"has no operator: in a shell, quote it \(--target 'latency<50ms'\), since < and > redirect"),
        ("accuracy", r"has no operator: in a shell, quote it \(--target 'accuracy>=90%'\)"),
        ("size", r"quote it \(--target 'size<100kB'\)"),
        ("speed<50ms", "unknown metric 'speed'; known are accuracy, auc, f1, miou, mae, mse, map, map50, wer, "),
        ("latency<50", "has no unit; say which: us, µs, ms, s$"),
        ("size<100", "has no unit; say which: B, kB, MB, GB, KiB, MiB, GiB$"),
        ("latency<50kB", "unknown unit 'kB'; latency takes us, µs, ms, s"),
        ("latency<50%", "unknown unit '%'; latency takes us"),
        ("latency<baseline-5kB", "unknown unit 'kB'; latency takes us"),
        ("size<100KB", "unknown unit 'KB'; size takes B, kB"),
        ("accuracy>=90ms", "unknown unit 'ms'; accuracy takes %"),
        ("mae<5%", "unknown unit '%'; mae takes no unit"),
        ("latency<", "'' is no bound; write 'latency<50ms' or 'latency<baseline'"),
        ("latency<fast", "'fast' is no bound"),
        ("latency<50ms<60ms", "'50ms<60ms' is no bound"),
        ("latency=<50ms", "'<50ms' is no bound"),
        ("latency<baseline/0", "multiplied or divided by more than 0"),
        ("latency<baseline*-1", "multiplied or divided by more than 0"),
        ("latency<0%*baseline", "multiplied or divided by more than 0"),
        ("latency<0ms", "can't be met: latency is never that low"),
        ("latency<=0ms", "can't be met: latency is never that low"),
        ("latency<-5ms", "can't be met: latency is never that low"),
        ("latency<baseline-100%", "can't be met: latency is never that low"),
        ("latency<baseline-150%", "can't be met: latency is never that low"),
        ("latency<=baseline-100%", "can't be met: latency is never that low"),
        ("size<=baseline-150%", "can't be met: size is never that low"),
        ("mae<baseline-101%", "can't be met: mae is never that low"),
        ("latency<1e999ms", "the bound is too large to be a number"),
        ("latency<1e308s", "the bound is too large to be a number"),
        ("latency>1e999ms", "the bound is too large to be a number"),
        ("latency<baseline-1e999ms", "the bound is too large to be a number"),
        ("latency<baseline+1e999%", "the bound is too large to be a number"),
        ("latency<baseline*1e999", "the bound is too large to be a number"),
        ("accuracy>=1e999%", "the bound is too large to be a number"),
        ("size<=0B", "can't be met: size is never that low"),
        ("mae<0", "can't be met: mae is never that low"),
        ("accuracy>1", "can't be met: accuracy is at most 100%$"),
        ("accuracy>=101%", "can't be met: accuracy is at most 100%$"),
        ("accuracy>=baseline+200%", "can't be met: accuracy is at most 100%$"),
        ("accuracy>baseline+100%", "can't be met: accuracy is at most 100%$"),
        ("accuracy>=baseline+2", "can't be met: accuracy is at most 100%"),
        ("accuracy>=90", r"can't be met: accuracy is at most 100%; did you mean 90%\?"),
    ],
)
def test_what_is_no_target_is_refused(text: str, reason: str) -> None:
    """In one line that repeats it and says why."""
    with pytest.raises(UserError, match=reason) as caught:
        parse(text)
    assert str(caught.value).startswith(f"target {text!r}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "mae<=0",
        "accuracy>=100%",
        "accuracy<=0",
        "latency>0ms",
        "mae<=baseline-100%",
        "latency>=baseline-150%",
        "latency<baseline-99%",
        "accuracy>=baseline+99%",
        "latency<baseline+200%",
        "latency<1e300ms",
    ],
)
def test_the_ends_can_be_met(text: str) -> None:
    """A bound at the very end of a metric is no error where it can be reached."""
    assert target(text).text == text


def test_examples_in_messages_are_targets() -> None:
    """What a message tells users to write is itself accepted."""
    for name in METRICS:
        with pytest.raises(UserError) as caught:
            parse(name)
        assert target(str(caught.value).split("'")[3]).metric.name == name


@pytest.mark.parametrize(
    ("text", "units"),
    [("download<=baseline-8", "%, B, kB"), ("latency<baseline+5.", "%, us"), ("size<baseline-1e1", "%")],
)
def test_shifts_of_times_and_bytes_need_their_unit(text: str, units: str) -> None:
    """Eight bytes or eight percent less: nobody knows. A study that has it already is read all the same."""
    with pytest.raises(UserError, match=f"has no unit; say which: {units}"):
        parse_all([text])
    assert parse(text)[0].factor == 1
    assert parse_all([f"{text} %", "mae<=baseline+0.5", "accuracy>=baseline-0.1", "latency<baseline/2"])[1] == []


def test_parse_all_keeps_order_and_collects_remarks() -> None:
    """One remark for each that needs one."""
    targets, remarks = parse_all(["latency=50ms", "accuracy>=baseline-1%", "size==1MB"])
    assert [parsed.metric.name for parsed in targets] == ["latency", "accuracy", "size"]
    assert len(remarks) == 2
    assert "latency<=50ms" in remarks[0]
    assert "size<=1MB" in remarks[1]


def test_no_targets_at_all() -> None:
    """Is fine."""
    assert parse_all([]) == ([], [])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("latency<10ms", "latency>20ms"),
        ("latency<10ms", "latency>=10ms"),
        ("latency<=10ms", "latency>10ms"),
        ("latency<1ms", "latency>1000us"),
        ("accuracy>=90%", "accuracy<0.8"),
    ],
)
def test_contradictory_targets_are_refused(one: str, other: str) -> None:
    """In either order, with both in the message."""
    for texts in itertools.permutations([one, other]):
        with pytest.raises(UserError, match="can't both be met") as caught:
            parse_all(texts)
        assert repr(one) in str(caught.value)
        assert repr(other) in str(caught.value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("latency<20ms", "latency>10ms"),
        ("latency<=10ms", "latency>=10ms"),
        ("latency<10ms", "latency<20ms"),
        ("latency<10ms", "latency_p90>20ms"),
        ("latency<10ms", "latency>baseline/4"),
    ],
)
def test_targets_that_can_hold_together_are_taken(one: str, other: str) -> None:
    """Intervals, single points, other metrics, and what only the baseline can tell."""
    assert len(parse_all([one, other])[0]) == 2


@pytest.mark.parametrize("name", ["top2", "top5", "top10", "auc", "f1", "accuracy", "map", "map50", "pck", "span_f1"])
@pytest.mark.parametrize(("bound", "value"), [("90%", 0.9), ("0.9", 0.9), ("baseline-1%", 0.49)])
def test_metrics_that_are_shares(name: str, bound: str, value: float) -> None:
    """Take numbers and percentages, of points where they are relative."""
    assert target(f"{name}>={bound}").bound({name: 0.5}) == pytest.approx(value)
    with pytest.raises(UserError, match="at most 100%"):
        parse(f"{name}>=101%")


@pytest.mark.parametrize("name", ["wer", "cer"])
def test_shares_of_errors(name: str) -> None:
    """Are good when low, in points where they are relative, and may be above 100 %."""
    assert target(f"{name}<=baseline+1%").bound({name: 0.5}) == pytest.approx(0.51)
    assert target(f"{name}<=150%").bound({}) == pytest.approx(1.5)
    assert parse(f"{name}=12%")[0].operator == "<="
    with pytest.raises(UserError, match="never that low"):
        parse(f"{name}<0")


def test_top_k_is_known_for_any_k() -> None:
    """Equal ones are equal; top1 is accuracy."""
    assert target("top7>=90%").metric == target("top7<1").metric
    assert target("top7>=90%").metric != target("top8>=90%").metric
    assert target("top1>=90%").metric is METRICS["accuracy"]
    with pytest.raises(UserError, match="can't both be met"):
        parse_all(["top3>=90%", "top3<80%"])
    for name in ("top0", "top", "topK", "top-1", "top1.5", "xtop2"):
        with pytest.raises(UserError, match=r"unknown metric|not of the form|is no bound"):
            parse(f"{name}>=90%")


def test_names_of_metrics() -> None:
    """Those of quality, and whatever else the user's own is called."""
    assert [name for name in ("accuracy", "top5", "auc", "f1", "mae", "mse", "wer") if not is_quality(name)] == []
    assert [name for name in ("latency", "size", "quality", "bleu", "topK", "") if is_quality(name)] == []
    assert quality("auc", "lower") is METRICS["auc"]
    own = quality("bleu", "lower")
    assert (own.name, own.key, own.kind, own.better, own.highest, own.lowest) == (
        *("bleu", "bleu", "number", "lower"),
        *(None, None),
    )


@pytest.mark.parametrize(
    ("text", "metric", "bound"),
    [
        ("quality>=80%", METRICS["accuracy"], 0.8),
        ("quality>=0.8", METRICS["f1"], 0.8),
        ("quality>=baseline-1%", METRICS["accuracy"], 0.79),
        ("quality<=baseline+5%", METRICS["mae"], 2.1),
        ("quality<=0.3", quality("wer", "lower"), 0.3),
        ("quality>=-2.5", quality("score", "higher"), -2.5),
        ("quality<-2.5", quality("score", "higher"), -2.5),
    ],
)
def test_quality_is_the_tasks_metric(text: str, metric: Metric, bound: float) -> None:
    """Once it is known, with its units and its percentages."""
    [resolved] = resolve([target(text)], metric)
    assert resolved.metric == metric
    assert resolved.text == text
    assert resolved.bound(BASELINE) == pytest.approx(bound)
    assert parse(text, metric) == (resolved, None)


def test_other_targets_stay_as_they_are() -> None:
    """In their order."""
    targets, _ = parse_all(["latency<50ms", "quality>=80%", "size<1MB"])
    resolved = resolve(targets, METRICS["auc"])
    assert [one.metric.name for one in resolved] == ["latency", "auc", "size"]
    assert (resolved[0], resolved[2]) == (targets[0], targets[2])


@pytest.mark.parametrize("text", ["quality=0.8", "quality==80%"])
def test_quality_has_no_direction_of_its_own(text: str) -> None:
    """It has to be said."""
    with pytest.raises(UserError, match=f"target '{text}': write quality>= or quality<="):
        parse(text)


@pytest.mark.parametrize(
    ("texts", "metric", "reason"),
    [
        (["quality>=80%"], METRICS["mae"], "unknown unit '%'; mae takes no unit"),
        (["quality>=2"], METRICS["accuracy"], "accuracy is at most 100%; did you mean 2%"),
        (["quality<-1"], METRICS["mse"], "mse is never that low"),
        (["quality>=90%", "auc<0.8"], METRICS["auc"], "can't both be met"),
        (["quality<50ms"], METRICS["auc"], "unknown unit 'ms'; quality takes %"),
    ],
)
def test_quality_that_does_not_fit_the_metric(texts: list[str], metric: Metric, reason: str) -> None:
    """Is refused when the metric is known, if not before."""
    with pytest.raises(UserError, match=reason):
        resolve(parse_all(texts)[0], metric)
