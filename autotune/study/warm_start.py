"""What other studies found out and what holds in this one: it is told, not repeated."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from autotune.errors import UserError
from autotune.files import link
from autotune.ledger import journal
from autotune.ledger.artifacts import is_file_of, model_path, read_scores, scores_path
from autotune.ledger.ledger import Ledger
from autotune.results.front import MeasuredPoint
from autotune.results.meta import Identity
from autotune.results.outcome import Measured
from autotune.results.record import Record
from autotune.results.scores import Each
from autotune.study.builder import Builder
from autotune.study.measured_file import cache_of, has_file
from autotune.targets.metric import CODECS, DOWNLOAD, METRICS, compressed

DECISIVE = frozenset({"data", "metric", "device"})
"""Of a study's identity what its qualities depend on, besides the file; all else is in the file's key."""


def earlier(identity: Identity, ledger: Ledger, builder: Builder) -> Iterator[Measured]:
    """Outcomes of other studies beside this one that are in its space and that it has not: same file, same
    runtime, device, samples and metric. Their latency is left out: whether it holds is the instrument's to say.

    Args:
        identity: of this study.
        ledger: of this study.
        builder: of this study; gets their files.
    """
    for path in sorted(ledger.folder.parent.glob(f"*/{journal.JOURNAL}")):
        folder = path.parent
        if folder == ledger.folder or (record := _read(folder)) is None:
            continue
        if not DECISIVE.isdisjoint(record.meta.identity.changes(identity)):
            continue
        for point in record.measured:
            config = point.outcome.config
            if ledger.admits(config) and not ledger.seen(config) and _is_same_file(point, record, builder):
                yield adopted(point.outcome, record, builder.folder, identity.codec)


def _read(folder: Path) -> Record | None:
    try:
        return journal.read(folder, folder.name)
    except UserError:  # damaged: its own next run says so
        return None


def _is_same_file(point: MeasuredPoint, record: Record, builder: Builder) -> bool:
    """Whether this study would build the very same, and it is still there."""
    recipe = point.outcome.config.recipe
    if recipe.model not in builder.candidates:
        return False
    if builder.steps(recipe)[-1].key != point.outcome.artifact:
        return False
    return has_file(Path(point.model), point.outcome, cache_of(record))


def adopted(outcome: Measured, record: Record, folder: Path, codec: str) -> Measured:
    """A file's outcome in another study without its latency; file and scores are among this one's from now on.

    Args:
        outcome: measured; its file is whole in the other study, or in this one.
        record: of the other study.
        folder: of this one.
        codec: of this study, under which the file is its download.
    """
    file = model_path(folder, outcome.artifact)
    if not is_file_of(file, outcome):
        link(model_path(record.folder, outcome.artifact), file)
    scores = [
        scores_path(study, outcome.artifact, outcome.config.runtime.delegate) for study in (record.folder, folder)
    ]
    if scores[0].exists():
        link(scores[0], scores[1])
    keys = (record.quality.key, METRICS["size"].key, *(compressed(each).key for each in CODECS))
    metrics = {key: outcome.metrics[key] for key in keys}
    return replace(outcome, metrics=metrics | {DOWNLOAD.key: metrics[compressed(codec).key]}, latency=None)


class ScoresElsewhere:
    """What files of a study on another device score there."""

    def __init__(self, record: Record) -> None:
        """
        Args:
            record: of that study.
        """
        self.record = record
        self._outcomes = {
            (point.outcome.artifact, point.outcome.config.runtime.delegate): point.outcome
            for point in record.measured
            if _of_samples(point.outcome)
        }

    def find(self, artifact: str, delegate: str, data: bytes) -> tuple[Measured, Each] | None:
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
        each = None if outcome is None else read_scores(scores_path(self.record.folder, artifact, delegate))
        return None if outcome is None or each is None else (outcome, each)


def _of_samples(outcome: Measured) -> bool:
    """Whether what is kept of its score is each sample's, and not of resamples or groups."""
    return not (outcome.certainty.resampled or outcome.certainty.groups)
