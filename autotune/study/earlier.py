"""What earlier studies found out and what holds in this one: it is told, not repeated."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from autotune.errors import UserError
from autotune.ledger import journal
from autotune.ledger.ledger import Ledger
from autotune.results.front import Point
from autotune.results.outcome import Outcome
from autotune.results.record import Record
from autotune.study.builder import Workshop
from autotune.study.elsewhere import taken
from autotune.study.measured_file import cache_of, has_file

DECISIVE = ("data", "metric", "device")
"""Of a study's identity what its qualities depend on, besides the file; all else is in the file's key."""


def earlier(meta: Mapping[str, Any], ledger: Ledger, workshop: Workshop) -> Iterator[Outcome]:
    """Outcomes of other studies beside this one that are in its space and that it has not: same file, same
    runtime, device, samples and metric. Their latency is left out: whether it holds is the instrument's to say.

    Args:
        meta: of this study.
        ledger: of this study.
        workshop: of this study; gets their files.
    """
    for path in sorted(ledger.folder.parent.glob(f"*/{journal.JOURNAL}")):
        folder = path.parent
        if folder == ledger.folder or (record := _read(folder)) is None:
            continue
        if any(record.meta.get("identity", {}).get(name) != meta["identity"][name] for name in DECISIVE):
            continue
        for point in record.points:
            config = point.outcome.config
            if ledger.admits(config) and not ledger.seen(config) and _is_same_file(point, record, workshop):
                yield taken(point.outcome, record, workshop.folder)


def _read(folder: Path) -> Record | None:
    try:
        return journal.read(folder, folder.name)
    except UserError:  # damaged: its own next run says so
        return None


def _is_same_file(point: Point, record: Record, workshop: Workshop) -> bool:
    """Whether this study would build the very same, and it is still there."""
    recipe = point.outcome.config.recipe
    if point.outcome.state != "measured" or recipe.model not in workshop.candidates:
        return False
    if workshop.steps(recipe)[-1].key != point.outcome.artifact:
        return False
    return has_file(Path(str(point.model)), point.outcome, cache_of(record))
