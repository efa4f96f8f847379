"""Which of a detector's outputs is which: by what was said, else by their names, else by their shapes."""

from collections.abc import Callable, Mapping

from autotune.errors import UserError
from autotune.task.data.fields import Array, parts
from autotune.task.judges.judge import Judge, called, listed

Shape = tuple[int, ...]
Fits = Callable[[Shape], bool]
"""Whether a sample's shape does."""

WORDS: Mapping[str, tuple[str, ...]] = {
    "boxes": ("box", "location"),
    "count": ("count", "num"),
    "scores": ("score", "prob", "conf"),
    "classes": ("class", "categor", "label"),
}
"""Of which a name has one, in the order in which they are looked for: class_scores are scores."""


class Roles:
    """Outputs or labels by what they are, as far as that is clear.

    Attributes:
        chosen: by its role.
    """

    def __init__(self, values: Array, what: str, prefix: str, judge: Judge) -> None:
        """
        Args:
            values: all outputs or labels.
            what: "outputs" or "labels".
            prefix: of the settings that say which is which.
            judge: the metric, for messages.
        """
        self.chosen: dict[str, Array] = {}
        self._values, self._what, self._prefix, self._judge = values, what, prefix, judge
        self._left = dict(parts(values))

    def say(self, said: Mapping[str, str | None]) -> None:
        """Takes those that were said.

        Args:
            said: names by role.

        Raises:
            UserError: there is none of the name.
        """
        for role, name in said.items():
            if name is not None:
                self.chosen[role] = called(self._values, name, self._what, self._judge)
                self._left.pop(name, None)

    def named(self, role: str, fits: Fits) -> None:
        """Takes the one whose name has a word of the role's and whose shape fits; of several the shortest name."""
        fitting = [name for name in self._fitting(fits) if any(word in name.lower() for word in WORDS[role])]
        shortest = [name for name in fitting if len(name) == min(map(len, fitting))]
        self._take(role, shortest)

    def shaped(self, role: str, fits: Fits, kinds: str = "") -> None:
        """Takes the only one that is left whose shape fits.

        Args:
            role: of it.
            fits: whether a sample's shape does.
            kinds: of NumPy's dtypes, "" for any.
        """
        fitting = [name for name in self._fitting(fits) if not kinds or self._left[name].dtype.kind in kinds]
        self._take(role, fitting)

    def need(self, role: str, fits: Fits) -> Array:
        """The one of this role.

        Raises:
            UserError: it is not clear, or not of the shape.
        """
        there = listed(self._values, self._what)
        if role not in self.chosen:
            setting = f"{self._judge.metric.name}:{self._prefix}{role}=NAME"
            raise UserError(f"{self._judge}: can't tell which are the {role}; {there}; say it, as in {setting}")
        shape = self.chosen[role].shape[1:]
        if not fits(shape):
            raise UserError(f"{self._judge}: {shape} is no shape of {role}; {there}")
        return self.chosen[role]

    def _fitting(self, fits: Fits) -> list[str]:
        return [name for name, part in self._left.items() if fits(part.shape[1:])]

    def _take(self, role: str, names: list[str]) -> None:
        if role not in self.chosen and len(names) == 1:
            self.chosen[role] = self._left.pop(names[0])
