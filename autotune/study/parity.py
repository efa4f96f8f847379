"""Whether a delegate computes what the file says: its outputs against those of the built-in kernels."""

import numpy as np
from numpy.typing import NDArray

from autotune.results.outcome import Parity
from autotune.results.scores import Each
from autotune.results.significance import wilson
from autotune.task.data.fields import Array, names, parts

SAMPLES = 100
"""Real samples that are compared."""

SPREAD = 0.1
"""Mean error, as a share of the outputs' standard deviation, that outputs which decide nothing may have."""


def parity(outputs: Array, reference: Array, half: float | None) -> Parity:
    """Compares outputs (n, …) with the built-in kernels' (n, …); of several the worst counts.

    Args:
        outputs: of the delegate.
        reference: of the built-in kernels.
        half: the output above which a yes-or-no question is answered with yes, where each output is
            one; None where the largest of the last axis decides, NaN where nothing is decided.
    """
    if names(outputs):
        each = [parity(outputs[name], reference[name], half) for name in names(outputs)]
        return max(each, key=lambda compared: compared.relative_error)
    gap = np.abs(outputs.astype(float) - reference)
    agreement = None
    if half is None:
        agreement = float((outputs.argmax(axis=-1) == reference.argmax(axis=-1)).mean())
    elif np.isfinite(half):
        agreement = float(((outputs > half) == (reference > half)).mean())
    mean, spread = float(gap.mean()), float(reference.std())
    return Parity(len(outputs), float(gap.max()), mean, mean / spread if spread else float(mean > 0), agreement)


def drawn(count: int) -> NDArray[np.intp]:
    """Which of so many samples are compared: the same each time, and not the first, which may be of one class."""
    return np.sort(np.random.default_rng(0).permutation(count)[:SAMPLES])


def differs(agreement: float, samples: int, share: float) -> bool:
    """Whether more than this share of all decisions is another, beyond what the few samples leave open.

    By the lower end of Wilson's interval of the share.

    Args:
        agreement: the share of samples that are decided alike.
        samples: that were compared.
        share: of all decisions.
    """
    return wilson(1 - agreement, samples)[0] > share


def senseless(outputs: Array) -> str | None:
    """Why outputs can't be a model's, None where they may be."""
    columns = parts(outputs)
    for name, values in columns.items():
        if not np.isfinite(values).all():
            return f"its output {name!r} is not finite" if name else "its outputs are not finite"
    if not any(values.any() for values in columns.values()):
        return "its outputs are all zero"
    return None


def shifted(here: Each, there: Each, share: float) -> bool:
    """Whether samples score otherwise in one place than in another.

    Args:
        here: as Score.each.
        there: likewise, of the same samples.
        share: the mean difference that may be; of right and wrong as differs() has it.
    """
    gap = float(np.abs(here.astype(float) - there).mean())
    low = wilson(gap, len(here))[0] if here.dtype == bool and there.dtype == bool else gap
    return not low <= share
