"""Metrics: what is measured of every candidate, in which unit, and which way is good."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

UNITS: dict[str, dict[str, float]] = {
    "time": {"us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3},
    "bytes": {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3},
    "share": {"%": 0.01},
    "number": {},
    "quality": {"%": 0.01},
}
"""For each kind of metric its units, as factors to the unit it is kept in."""


@dataclass(frozen=True)
class Metric:
    """Something that is measured of every candidate.

    Attributes:
        name: as users write it in a target.
        key: as it stands in an outcome, with its unit: latency_ms.
        kind: a key of UNITS.
        better: which way is good.
        highest: possible value, None for any.
        lowest: likewise.
    """

    name: str
    key: str
    kind: str
    better: Literal["lower", "higher"]
    highest: float | None = None
    lowest: float | None = 0.0

    @property
    def needs_unit(self) -> bool:
        return self.kind in ("time", "bytes")


ACCURACY = Metric("accuracy", "accuracy", "share", "higher", 1.0)
QUALITY = Metric("quality", "quality", "quality", "higher", lowest=None)
"""Stands in targets for whatever the task's metric is, until resolve(); which way is good is open."""

LATENCY = Metric("latency", "latency_ms", "time", "lower")
DOWNLOAD = Metric("download", "download_bytes", "bytes", "lower")
"""The file under the study's codec."""

CODECS = ("gzip", "brotli", "zstd", "xz")
"""What a file may be compressed with to be downloaded; the first counts unless a study says otherwise."""

METRICS = {
    metric.name: metric
    for metric in (
        ACCURACY,
        Metric("auc", "auc", "share", "higher", 1.0),
        Metric("f1", "f1", "share", "higher", 1.0),
        Metric("miou", "miou", "share", "higher", 1.0),
        Metric("mae", "mae", "number", "lower"),
        Metric("mse", "mse", "number", "lower"),
        Metric("map", "map", "share", "higher", 1.0),
        Metric("map50", "map50", "share", "higher", 1.0),
        Metric("wer", "wer", "share", "lower"),
        Metric("cer", "cer", "share", "lower"),
        Metric("exact_match", "exact_match", "share", "higher", 1.0),
        Metric("span_f1", "span_f1", "share", "higher", 1.0),
        Metric("pck", "pck", "share", "higher", 1.0),
        QUALITY,
        LATENCY,
        Metric("latency_p90", "latency_p90_ms", "time", "lower"),
        Metric("latency_p99", "latency_p99_ms", "time", "lower"),
        Metric("init", "init_ms", "time", "lower"),
        Metric("memory", "memory_bytes", "bytes", "lower"),
        Metric("size", "size_bytes", "bytes", "lower"),
        DOWNLOAD,
    )
}
"""Every metric by name, save topK for each K: of quality (one per task), and of cost."""

FITTING: Mapping[str, tuple[str, ...]] = {
    "classes": ("accuracy", "topK", "auc", "f1", "miou"),
    "multilabel": ("f1", "auc", "miou"),
    "quantities": ("mae", "mse"),
}
"""The metrics that go with each kind of labels; the usual one first."""

QUALITIES = tuple(dict.fromkeys(name for names in FITTING.values() for name in names))
"""What a task's metric can be by its labels alone, besides the user's own."""

JUDGED = ("map", "map50", "wer", "cer", "exact_match", "span_f1", "pck")
"""What it can be where that is said: of detections, transcripts, answer spans and keypoints, see task/judges/."""

_TOP = re.compile(r"top([1-9]\d{0,5})")


def find(name: str) -> Metric | None:
    """A metric by its name: of METRICS, or topK for any K (top1 is accuracy); None where there is none."""
    if match := _TOP.fullmatch(name):
        return Metric(name, name, "share", "higher", 1.0) if int(match[1]) > 1 else ACCURACY
    return METRICS.get(name)


def compressed(codec: str) -> Metric:
    """The file under one of CODECS, whatever the study's is: recorded and shown, not for targets."""
    return Metric(f"download_{codec}", f"download_{codec}_bytes", "bytes", "lower")


def bare(text: str) -> str:
    """The name of a metric that is said with its output, OUTPUT=METRIC, or with settings, METRIC:SETTING=VALUE."""
    return of_output(text)[1].partition(":")[0]


def of_output(text: str) -> tuple[str, str]:
    """The output that a metric is said to be of, "" for none, and the metric."""
    output, equals, name = text.partition("=")
    return (output, name) if equals and ":" not in output else ("", text)


def is_quality(name: str) -> bool:
    """Whether it is the name of one of QUALITIES or JUDGED."""
    return (name in (*QUALITIES, *JUDGED) and name != "topK") or _TOP.fullmatch(name) is not None


def quality(name: str, better: Literal["lower", "higher"]) -> Metric:
    """A task's metric: a known one, or a function of the user's of which only this is known."""
    return (find(name) if is_quality(name) else None) or Metric(name, name, "number", better, lowest=None)
