"""A study's front as a picture in its folder."""

from autotune.files import make_way, sha256, whole
from autotune.report.picture import draw
from autotune.results.record import Begun, Record

NAME = "front.png"
"""Of the file, beside the study's journal."""


class PictureTracker:
    """Draws the front once a run has ended: until then it would be drawn for nobody."""

    def update(self, record: Record) -> None:
        """Draws nothing yet."""

    def finish(self, record: Record) -> int:
        """Draws the front as front.png; nothing where the study has no baseline yet.

        Returns:
            1 where the picture is another than before, else 0.

        Raises:
            OSError: the file can't be written.
        """
        if not isinstance(record, Begun):
            return 0
        path = record.folder / NAME
        before = sha256(path)
        make_way(path)
        with whole(path) as file:
            draw(record, file)
        return int(sha256(path) != before)
