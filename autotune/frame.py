"""A study as a pandas table."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from autotune.front import ParetoFront, Point, interval


def frame(front: ParetoFront, points: Sequence[Point]) -> pd.DataFrame:
    """A row for each point: what it is, what was tried, and what came of it.

    Args:
        front: that says what is on it, and what is recommended.
        points: to list.

    Returns:
        Indexed by trial. Columns: on_front, recommended, feasible, free, state, reason; the configuration's
        dimensions, empty where one does not matter; the metrics by their keys, which end in their units;
        the 95 % intervals of quality and latency, as KEY_low and KEY_high; verdict on the latency; model, a path.
    """
    rows = [_row(front, point) for point in points]
    index = pd.Index([point.trial for point in points], name="trial", dtype=int)
    return pd.concat([pd.DataFrame(list(part), index=index) for part in zip(*rows, strict=True)], axis=1)


def _row(front: ParetoFront, point: Point) -> tuple[dict[str, Any], ...]:
    """Its parts: what it is, its configuration, its metrics, what is known of them."""
    pick, outcome = front.pick(), point.outcome
    head = {
        "on_front": any(point.trial == one.trial for one in front.points),
        "recommended": pick is not None and point.trial == pick.trial,
        "feasible": point.feasible,
        "free": point.free,
        "state": outcome.state,
        "reason": outcome.reason,
    }
    return head, outcome.config.canonical(), outcome.metrics, _intervals(front, point) | {"model": point.model}


def _intervals(front: ParetoFront, point: Point) -> dict[str, Any]:
    outcome, quality, latency = point.outcome, front.quality.key, point.outcome.latency
    if outcome.state != "measured":
        return {}
    low, high = interval(outcome.metrics, outcome.facts, front.quality)
    timed = {} if latency is None else {"latency_ms_low": latency.low_ms, "latency_ms_high": latency.high_ms}
    return {f"{quality}_low": low, f"{quality}_high": high, **timed, "verdict": latency and latency.verdict}
