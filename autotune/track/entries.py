"""What a study is in MLflow, as values: a run for the study, and one for each trial."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from autotune.config import FIELDS, Config
from autotune.results.front import Point
from autotune.results.outcome import Measured
from autotune.results.record import BASELINE, Begun, Record
from autotune.track.summary import summary

FIRST, SECOND = 0, 1
"""Steps of a metric: as it was measured in the search, and once more at its end."""

Series = Sequence[tuple[int, float]]
"""Steps and values of a metric, the one that holds last."""

_IDLE: dict[type, str | float] = {str: "none", int: 0, float: 0.0}
"""What stands for a parameter that has no part in a recipe, by its type: nothing is trained in 0 epochs."""

_FORBIDDEN = re.compile(r"[^A-Za-z0-9_\-. :/]")
"""In MLflow's names of metrics."""


@dataclass(frozen=True)
class Entry:
    """A run as it should be.

    Attributes:
        name: of the run.
        status: one of MLflow's, by name.
        tags, params: as MLflow has them.
        metrics: by name.
        began, ended: Unix time in ms.
    """

    name: str
    status: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, Series] = field(repr=False)
    began: int
    ended: int


def study_entry(record: Begun, *, finished: bool) -> Entry:
    """The study's own: options, device, versions, its totals, and a summary to read.

    Args:
        record: of the study.
        finished: whether nothing more is to come; only then it has a summary, which takes a look at every trial.
    """
    meta, front = record.meta, record.front()
    params = {
        **meta.options.to_json(),
        "device": record.device,
        "targets": ", ".join(meta.targets) or "none",
        "objectives": ", ".join(metric.name for metric in record.objectives),
        **{f"device_{name}": value for name, value in meta.device.to_json().items() if name != "device"},
        **{f"version_{name}": value for name, value in meta.versions.items()},
    }
    totals = {
        "hypervolume": record.hypervolume(),
        "trials": len(record.points),
        "on_front": len(front.points),
        "feasible": sum(point.feasible for point in record.points),
    }
    again = SECOND if str(BASELINE) in record.remeasured else FIRST
    baseline = {f"baseline_{name}": value for name, value in _metrics(record.baseline, record.quality.key).items()}
    return Entry(
        record.name,
        "FINISHED" if finished else "RUNNING",
        {"device": record.device, **({"mlflow.note.content": summary(record)} if finished else {})},
        {name: _text(value) for name, value in params.items() if value is not None},
        _numbers({**_at(record.trials_done, totals), **_at(again, baseline)}),
        _milliseconds(min((point.began for point in record.points), default=0.0)),
        _milliseconds(max((point.ended for point in record.points), default=0.0)),
    )


def trial_entry(record: Record, point: Point, extra: Iterable[str] = (), *, on_front: bool, recommended: bool) -> Entry:
    """A trial's: its configuration, what was measured of it, and what came of it.

    Args:
        record: of the study.
        point: the trial.
        extra: as parameters().
        on_front: whether no other betters it.
        recommended: whether it is what the front recommends.
    """
    outcome, quality = point.outcome, record.quality.key
    step = SECOND if str(point.trial) in record.remeasured else FIRST
    measured = outcome if isinstance(outcome, Measured) else None
    metrics = {} if measured is None else _metrics(measured, quality)
    if test := record.tests.get(str(point.trial)):
        metrics[f"test_{quality}"] = test.scores[quality]
    return Entry(
        f"{point.trial}: {outcome.config}",
        "FAILED" if measured is None else "FINISHED",
        {
            "state": outcome.state,
            "reason": point.reason or "",
            "feasible": _flag(point.feasible),
            "on_front": _flag(on_front),
            "recommended": _flag(recommended),
            "device": record.device,
            "emulated": _flag(bool(record.meta.device.emulated)),
            "scheme": outcome.config.recipe.quantize,
            "delegate": outcome.config.runtime.delegate,
            "verdict": measured.latency.verdict if measured and measured.latency else "",
        },
        {name: _text(value) for name, value in parameters(outcome.config, extra).items()},
        _numbers(_at(step, metrics) | ({} if measured is None else {**_curves(measured), **_sparsities(measured)})),
        _milliseconds(point.began),
        _milliseconds(point.ended),
    )


def parameters(config: Config, extra: Iterable[str] = ()) -> Mapping[str, object]:
    """A configuration with the same keys whatever it is, since MLflow compares only what all runs have.

    What has no part in it, such as the epochs where nothing is trained, is 0 or "none".

    Args:
        config: the configuration.
        extra: dimensions of plug-in stages that others have.
    """
    values, idle = config.canonical(), config.recipe.idle()
    fields = {
        name: values.get(name, "float32" if name == "io" else _IDLE[kind])
        for name, kind in FIELDS.items()
        if name != "model" or name not in idle
    }
    return fields | {name: values.get(name, 0) for name in sorted(extra)}


def _metrics(outcome: Measured, quality: str) -> dict[str, float]:
    """An outcome's metrics, the intervals of its quality and its latency, and what its file holds:
    sparsity overall, most distinct weights of a layer.
    """
    metrics: dict[str, float] = dict(outcome.metrics)
    if outcome.certainty.bounds is not None:
        metrics[f"{quality}_low"], metrics[f"{quality}_high"] = outcome.certainty.bounds
    if outcome.latency is not None:
        metrics["latency_low_ms"], metrics["latency_high_ms"] = outcome.latency.low_ms, outcome.latency.high_ms
    layers = outcome.layers
    if layers:
        weights = sum(layer["weights"] for layer in layers)
        metrics["sparsity"] = sum(layer["sparsity"] * layer["weights"] for layer in layers) / weights
        metrics["distinct_weights"] = float(max(layer["distinct"] for layer in layers))
    return metrics


def _curves(outcome: Measured) -> dict[str, Series]:
    """What each training said after each epoch."""
    return {
        f"training/{training.stage}_{name}": list(enumerate(values, 1))
        for training in outcome.training
        for name, values in training.history.items()
    }


def _sparsities(outcome: Measured) -> dict[str, Series]:
    """Sparsities of each layer of a pruned file, by name; and of all in their order, a step each."""
    layers = outcome.layers if outcome.config.recipe.prune else ()
    named: dict[str, Series] = {f"sparsity/{_own(layer['name'])}": [(FIRST, layer["sparsity"])] for layer in layers}
    return named | ({"layer_sparsity": [(at, layer["sparsity"]) for at, layer in enumerate(layers)]} if layers else {})


def _own(name: str) -> str:
    """A layer's own name: LiteRT joins those of all that it was fused from, its own last."""
    return name.rpartition(";")[2].replace("/", ".")


def _at(step: int, metrics: Mapping[str, float]) -> dict[str, Series]:
    return {name: [(step, float(value))] for name, value in metrics.items()}


def _numbers(metrics: Mapping[str, Series]) -> dict[str, Series]:
    """Metrics under names that MLflow takes, and without what is no number."""
    numbers = {
        _FORBIDDEN.sub("_", name): [at for at in series if math.isfinite(at[1])] for name, series in metrics.items()
    }
    return {name: series for name, series in numbers.items() if series}


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _flag(value: bool) -> str:
    return str(value).lower()
