"""What another study found out about files, taken over into this one."""

import hashlib
from dataclasses import replace
from pathlib import Path

from autotune.files import link
from autotune.results.outcome import Outcome
from autotune.results.record import Each, Record, is_file_of, model_path, scores_of, scores_path
from autotune.targets.target import DOWNLOAD, METRICS


def taken(outcome: Outcome, record: Record, folder: Path) -> Outcome:
    """A file's outcome in another study without its latency; file and scores are among this one's from now on.

    Args:
        outcome: measured; its file is whole in the other study, or in this one.
        record: of the other study.
        folder: of this one.
    """
    assert outcome.artifact is not None  # it was measured
    file = model_path(folder, outcome.artifact)
    if not is_file_of(file, outcome):
        link(model_path(record.folder, outcome.artifact), file)
    scores = [
        scores_path(study, outcome.artifact, outcome.config.runtime.delegate) for study in (record.folder, folder)
    ]
    if scores[0].exists():
        link(scores[0], scores[1])
    keys = (record.quality.key, METRICS["size"].key, DOWNLOAD.key)
    facts = {name: value for name, value in outcome.facts.items() if name != "latency"}
    return replace(outcome, metrics={key: outcome.metrics[key] for key in keys}, facts=facts)


class Elsewhere:
    """What files of a study on another device score there."""

    def __init__(self, record: Record) -> None:
        """
        Args:
            record: of that study.
        """
        self.record = record
        self._outcomes = {
            (point.outcome.artifact, point.outcome.config.runtime.delegate): point.outcome
            for point in record.points
            if point.outcome.state == "measured" and _of_samples(point.outcome)
        }

    def find(self, artifact: str, delegate: str, data: bytes) -> tuple[Outcome, Each] | None:
        """A file's outcome through a delegate, and what each sample scored.

        Args:
            artifact: its cache key.
            delegate: that it is run through.
            data: its content, by which a file that was built again is told from the one that was measured.

        Returns:
            None where it was not run so, or where scores are not of single samples.
        """
        outcome = self._outcomes.get((artifact, delegate))
        if outcome is not None and outcome.sha256 not in (None, hashlib.sha256(data).hexdigest()):
            return None
        each = None if outcome is None else scores_of(scores_path(self.record.folder, artifact, delegate))
        return None if outcome is None or each is None else (outcome, each)


def _of_samples(outcome: Outcome) -> bool:
    """Whether what is kept of its score is each sample's, and not of resamples or groups."""
    return not (outcome.facts.get("resampled") or outcome.facts.get("groups"))
