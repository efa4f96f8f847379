"""Every metric of a real task by its name, and how one is said."""

import re
from collections.abc import Mapping

from autotune.errors import UserError
from autotune.task.judges.detection import MeanPrecision, MeanPrecision50
from autotune.task.judges.judge import Judge, read
from autotune.task.judges.keypoints import CorrectKeypoints
from autotune.task.judges.spans import ExactMatch, SpanF1
from autotune.task.judges.transcripts import CharacterErrors, WordErrors

JUDGES: Mapping[str, type[Judge]] = {
    judge.metric.name: judge
    for judge in (MeanPrecision, MeanPrecision50, WordErrors, CharacterErrors, ExactMatch, SpanF1, CorrectKeypoints)
}

_NEXT = re.compile(r":(?=[^:=]*=)")
"""Where a setting begins; any other colon is of a name, such as TFLite_Detection_PostProcess:1."""


def parse(text: str, where: str = "metric") -> Judge:
    """A metric with its settings.

    Args:
        text: NAME, or NAME:SETTING=VALUE:…
        where: it was said, for messages.

    Raises:
        UserError: name or setting are unknown, a setting is said twice or missing, or its value is none of those that
            it takes.
    """
    name, *parts = _NEXT.split(text)
    if name not in JUDGES:
        raise UserError(f"{where} {text!r} is unknown; known are {', '.join(JUDGES)}, with settings as map:layout=xyxy")
    said = dict[str, str]()
    for part in parts:
        setting, _, value = part.partition("=")
        if setting in said:
            raise UserError(f"{where} {text!r}: {setting} is said twice")
        said[setting] = value
    return read(JUDGES[name], said, f"{where} {text!r}")
