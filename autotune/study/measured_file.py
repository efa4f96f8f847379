"""The file that was measured: told from others by its sha256, and linked anew from the cache where it is damaged."""

from pathlib import Path

from autotune.compress.cache import ArtifactCache
from autotune.errors import UserError
from autotune.files import link
from autotune.ledger.artifacts import is_file_of
from autotune.results.front import MeasuredPoint
from autotune.results.outcome import Measured
from autotune.results.record import Begun, Record


def cache_of(record: Record) -> ArtifactCache:
    """What the studies of its folder have built."""
    return ArtifactCache(record.folder.parent / ".cache")


def has_file(path: Path, outcome: Measured, cache: ArtifactCache) -> bool:
    """Whether a file is the one that was measured, linked anew where it is not and the cache has it.

    Args:
        path: where it is to be.
        outcome: of it.
        cache: that it was built in.
    """
    if is_file_of(path, outcome):
        return True
    key = outcome.artifact
    if cache.get(key) is None or not is_file_of(cache.path(key), outcome):
        return False
    link(cache.path(key), path)
    return True


def check_file(record: Record, point: MeasuredPoint) -> None:
    """Holds the file of a point against its hash.

    Raises:
        UserError: the file of a measured point is not the one that was measured, and can't be linked anew.
    """
    if not has_file(Path(point.model), point.outcome, cache_of(record)):
        raise UserError(
            f"{point.model} is gone or damaged, and not in the cache either; the same autotune run builds it again"
        )


def lost_files(record: Record) -> list[str]:
    """Which files of a study's front are not those that were measured, and can't be linked anew; a line each."""
    lines = []
    for point in record.front().points if isinstance(record, Begun) else ():
        try:
            check_file(record, point)
        except UserError as error:
            lines.append(f"study {record.name!r}, trial {point.trial}: {error}")
    return lines
