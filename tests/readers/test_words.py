"""Words of the command line: targets, numbers, times, lists of CPUs."""

import argparse
import math
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.errors import UserError
from autotune.options import numbers
from autotune.targets import objectives
from autotune.targets.metric import ACCURACY, LATENCY, METRICS
from autotune.targets.target import parse, parse_all, resolve
from tests.readers.contract import read_or_refused
from tests.readers.mutations import damaged

NUMBERS = st.sampled_from(
    ["0", "1", "-1", "50", "0.5", "1e-400", "1e400", "9" * 400, "9" * 5000, "١", "1_0", "nan", "inf", ".", ""]
)
PARTS = st.sampled_from(
    [*METRICS, "top5", "top999999", "top0", "quality", "baseline", "<", "<=", ">", ">=", "=", "=="]
) | (st.sampled_from(["+", "-", "*", "/", "%", "ms", "µs", "kB", "MiB", " ", " " * 20_000, "\n", "\0"]) | NUMBERS)
TARGETS = ["latency<50ms", "accuracy>=baseline-1%", "size<=50%*baseline", "quality>=0.9", "memory<baseline/2"]
TYPES: dict[str, Any] = {
    "positive": int,
    "natural": int,
    "threads": int,
    "jobs": int,
    "load": int,
    "threads_or_all": (int, str),
    "share": float,
    "duration": float,
    "cpus": list,
}


@given(
    text=st.lists(PARTS, max_size=6).map("".join)
    | st.text(max_size=30)
    | st.sampled_from(TARGETS).flatmap(
        lambda text: damaged(text.encode()).map(lambda content: content.decode(errors="replace"))
    )
)
def test_targets(text: str) -> None:
    """Each is one, with a finite bound, for whatever metric quality may stand for."""
    parsed = read_or_refused(lambda: parse_all([text, "latency<50ms"])[0])
    for target in parsed or []:
        assert math.isfinite(target.bound({target.metric.key: 1.0}))
        for metric in (ACCURACY, LATENCY):
            read_or_refused(partial(resolve, [target], metric))


@given(texts=st.lists(st.sampled_from([*METRICS, ""]) | st.text(max_size=8), max_size=4))
def test_objectives(texts: list[str]) -> None:
    """Names of what is weighed."""
    read_or_refused(lambda: objectives.parse(texts))


@pytest.mark.parametrize("name", TYPES)
@given(
    text=NUMBERS
    | st.text("0123456789-,.%smhe+ ", max_size=12)
    | st.text(max_size=12)
    | st.sampled_from(["0-99999999999", "99999999999", "5-1", "1-2-3", ",", "0-", "1e300h", "0.5%", "100%", "1e9h"])
)
def test_options(name: str, text: str) -> None:
    """Numbers that something can be done with: none of them is taken for a count of what has to be made."""

    def read() -> Any:
        try:
            return getattr(numbers, name)(text)
        except argparse.ArgumentTypeError as error:
            raise UserError(str(error)) from error  # as the command line and the Python API do

    value = read_or_refused(read)
    assert value is None or isinstance(value, TYPES[name])
    assert not isinstance(value, list) or len(value) <= numbers.MOST_CPU + 1


def test_targets_of_any_length() -> None:
    """Take no time that grows with the square of it."""
    read_or_refused(lambda: parse("latency<" + " " * 1_000_000 + "x"))
