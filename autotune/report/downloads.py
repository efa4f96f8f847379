"""The table of what the files of a front are under each codec."""

from dataclasses import dataclass

from autotune.results.front import ParetoFront
from autotune.targets.metric import CODECS, METRICS, compressed
from autotune.text.units import price


@dataclass(frozen=True)
class Download:
    """A row of the table.

    Attributes:
        name: how the file was made.
        trial: the first of the file; "" for the baseline.
        cells: its size, then what it is under each of CODECS.
    """

    name: str
    trial: str
    cells: list[str]


def downloads(front: ParetoFront) -> list[Download]:
    """A row for each file, the baseline's first; none where the study is from before all codecs were kept."""
    metrics = (METRICS["size"], *map(compressed, CODECS))
    files = {front.baseline.artifact: ("baseline", "", front.baseline.metrics)}
    for point in front.points:
        outcome = point.outcome
        files.setdefault(outcome.artifact, (str(outcome.config.recipe), str(point.trial), outcome.metrics))
    return [
        Download(name, trial, [price(values, metric) for metric in metrics])
        for name, trial, values in files.values()
        if all(metric.key in values for metric in metrics)
    ]
