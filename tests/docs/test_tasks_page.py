"""docs/tasks.md: its code runs, its settings are those that there are, and what it says of metrics is so."""

import re

import pytest

from autotune.targets.metric import METRICS
from autotune.task.judges import JUDGES, parse
from autotune.task.judges.judge import settings
from tests.docs.test_examples import ROOT, blocks

PAGE = ROOT / "docs" / "tasks.md"
TEXT = PAGE.read_text()


def test_its_code_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """And prints what it says: boxes of 0.2 that are moved by 0.02 both ways overlap by 0.68, enough for 4 of 10."""
    [code] = [content for page, _, content in blocks("python") if page == PAGE]
    exec(code, {})
    precision, rate = capsys.readouterr().out.splitlines()
    value, low, high = (float(number) for number in re.findall(r"([\d.]+)%", precision))
    assert low <= value <= high
    assert value == pytest.approx(40, abs=0.1)
    assert f'print(parse_metric("wer:space=26").score(heard, said).value)  # {rate}\n' in code


def test_metrics_with_settings_are_read() -> None:
    """Each that stands in the text or in a command."""
    names = "|".join(JUDGES)
    texts = [*re.findall(rf"`((?:{names}):[^`]+)`", TEXT), *re.findall(r"--metric (\S+)", TEXT)]
    assert len(texts) >= 2
    for text in texts:
        assert str(parse(text)).startswith(text.partition(":")[0])


def test_all_are_in_the_tables() -> None:
    """Metrics, which way is good, and every setting with its default."""
    rows = [line.split(" | ") for line in TEXT.splitlines() if line.startswith("| `")]
    tabled = {name: row for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    for name, judge in JUDGES.items():
        assert {"higher": "high", "lower": "low"}[METRICS[name].better] in tabled[name]
        for setting, field in settings(judge).items():
            assert setting in tabled
            if isinstance(field.default, str | int | float):
                assert tabled[setting][1].strip("`") == str(field.default)
