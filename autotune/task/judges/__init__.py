"""Metrics that real tasks are judged by: detections, transcripts, answer spans, keypoints."""

from autotune.task.judges.judge import Judge
from autotune.task.judges.table import JUDGES, parse

__all__ = ["JUDGES", "Judge", "parse"]
