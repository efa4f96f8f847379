"""The files that lie beside a study's journal: models, and what they scored on each sample."""

from pathlib import Path

from autotune.files import sha256
from autotune.results.outcome import Measured
from autotune.results.scores import Each
from autotune.task.data.npy import read_array


def model_path(folder: Path, artifact: str) -> Path:
    """Where a study keeps a file, by its cache key."""
    return folder / "models" / f"{artifact[:16]}.tflite"


def is_file_of(path: Path, outcome: Measured) -> bool:
    """Whether a file is the one that was measured; by its size alone where the study did not keep its sha256 yet."""
    if outcome.sha256 is not None:
        return sha256(path) == outcome.sha256
    return path.is_file() and path.stat().st_size == outcome.metrics.get("size_bytes")


def scores_path(folder: Path, artifact: str, delegate: str) -> Path:
    """Where a study keeps what a file scored on each sample, by its cache key and what it ran on; .npy."""
    return folder / "scores" / f"{artifact[:16]}-{delegate}.npy"


def read_scores(path: Path) -> Each | None:
    """What lies at a scores_path(), None where there is none or it is damaged."""
    try:
        with path.open("rb") as file:
            each = read_array(file, path.stat().st_size)
    except (OSError, ValueError):
        return None
    return each if each.dtype.kind in "bifu" else None


class ScoreFiles:
    """The scores that lie in a study's folder, read anew each time, as record.Scores."""

    def __init__(self, folder: Path) -> None:
        """
        Args:
            folder: of the study.
        """
        self._folder = folder

    def __call__(self, outcome: Measured) -> Each | None:
        """What a measured file scored on each sample, None where that is not kept or damaged."""
        return read_scores(scores_path(self._folder, outcome.artifact, outcome.config.runtime.delegate))
