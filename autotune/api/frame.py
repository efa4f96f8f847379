"""A study as a pandas table."""

from collections.abc import Mapping, Sequence
from itertools import chain

import pandas as pd

from autotune.results.front import MeasuredPoint, ParetoFront, Point


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
    pick = front.pick()
    ahead, best = {point.trial for point in front.points}, -1 if pick is None else pick.trial
    rows = [_row(front, point, on_front=point.trial in ahead, recommended=point.trial == best) for point in points]
    columns = [name for parts in zip(*rows, strict=True) for name in dict.fromkeys(chain.from_iterable(parts))]
    index = pd.Index([point.trial for point in points], name="trial", dtype=int)
    cells = [{name: value for part in reversed(row) for name, value in part.items()} for row in rows]
    return pd.DataFrame(cells, index=index, columns=columns)


def _row(front: ParetoFront, point: Point, **where: bool) -> tuple[Mapping[str, object], ...]:
    """Its parts: what it is, its configuration, its metrics, what is known of them."""
    outcome = point.outcome
    head = where | {"feasible": point.feasible, "free": point.free, "state": outcome.state, "reason": point.reason}
    metrics = point.outcome.metrics if isinstance(point, MeasuredPoint) else {}
    return head, outcome.config.canonical(), metrics, _intervals(front, point) | {"model": point.model}


def _intervals(front: ParetoFront, point: Point) -> dict[str, object]:
    if not isinstance(point, MeasuredPoint):
        return {}
    quality, latency = front.quality.key, point.outcome.latency
    low, high = point.outcome.interval(front.quality)
    timed = {} if latency is None else {"latency_ms_low": latency.low_ms, "latency_ms_high": latency.high_ms}
    return {f"{quality}_low": low, f"{quality}_high": high, **timed, "verdict": latency and latency.verdict}
