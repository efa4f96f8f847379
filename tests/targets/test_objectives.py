"""What a study's front is made of: asked for, or suggested by its targets."""

import pytest

from autotune.errors import UserError
from autotune.targets.metric import ACCURACY, DOWNLOAD, LATENCY, METRICS, quality
from autotune.targets.objectives import choose, parse, resolve
from autotune.targets.target import parse_all

TOP5 = quality("top5", "higher")


@pytest.mark.parametrize(
    ("asked", "parsed"),
    [
        ([], ()),
        (["latency", "quality"], ("quality", "latency")),
        (["memory", "accuracy", "size", "memory"], ("accuracy", "size", "memory")),
        (["top5", "download", "size"], ("top5", "size", "download")),
    ],
)
def test_parse_puts_them_in_order(asked: list[str], parsed: tuple[str, ...]) -> None:
    """Whatever the order they were given in, each once: another order is no other study."""
    assert parse(asked) == (parsed, None)


def test_quality_is_added_with_a_remark() -> None:
    """Who leaves it out is told."""
    names, remark = parse(["latency"])
    assert names == ("quality", "latency")
    assert remark is not None
    assert "quality is an objective" in remark


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (["speed"], "objective 'speed' is unknown; there are quality .*, latency, size, download, memory"),
        (["latency_p90"], "objective 'latency_p90' is unknown"),
        (["accuracy"], "objective 'accuracy' alone makes no front; add one of latency"),
    ],
)
def test_parse_refuses(asked: list[str], reason: str) -> None:
    """In one line that says what there is."""
    with pytest.raises(UserError, match=reason):
        parse(asked)


@pytest.mark.parametrize(
    ("targets", "costs"),
    [
        ([], ("latency", "download")),
        (["latency<5ms", "accuracy>=80%"], ("latency", "download")),
        (["size<1MB"], ("latency", "size")),
        (["size<1MB", "download<1MB"], ("latency", "download")),
        (["memory<1MB"], ("latency", "download", "memory")),
        (["memory<1MB", "size<baseline/2"], ("latency", "size", "memory")),
    ],
)
def test_targets_suggest_them(targets: list[str], costs: tuple[str, ...]) -> None:
    """Where nothing was asked for; else they have no say."""
    parsed = parse_all(targets)[0]
    assert choose((), parsed, ACCURACY) == ("quality", *costs)
    assert choose(("quality", "latency"), parsed, ACCURACY) == ("quality", "latency")


def test_the_tasks_metric_by_its_name() -> None:
    """Is the quality; that of another task is refused."""
    assert choose(("top5", "latency"), [], TOP5) == ("quality", "latency")
    assert choose(("top1", "latency"), [], ACCURACY) == ("quality", "latency")
    with pytest.raises(UserError, match="objective 'accuracy': this task's metric is top5, not accuracy"):
        choose(("accuracy", "latency"), [], TOP5)


def test_as_metrics() -> None:
    """The quality is the task's."""
    assert resolve(("quality", "latency", "download"), TOP5) == (TOP5, LATENCY, DOWNLOAD)
    assert resolve(("quality", "size", "memory"), ACCURACY) == (ACCURACY, METRICS["size"], METRICS["memory"])
