"""How a study's channels are cut, for whoever builds or judges a recipe that cuts some."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from autotune.config import Recipe, Runtime
from autotune.errors import Infeasible
from autotune.results.channel_plan import STANDS_FOR, ChannelPlan, kernels, plan_name
from autotune.results.measurement import Measurement
from autotune.search.evidence import structural


@dataclass
class ChannelPlans:
    """How channels are cut in a study, by plan_name(); filled where a run begins.

    Attributes:
        plans: as Record.channels.
        latency: what a file of this structure takes on a runtime, None where that is not known.
    """

    plans: dict[str, ChannelPlan] = field(default_factory=dict)
    latency: Callable[[str, Runtime], Measurement | None] = lambda *_: None

    def of(self, recipe: Recipe) -> ChannelPlan | None:
        """A recipe's plan; None where it cuts nothing, or nothing is planned yet."""
        return self.plans.get(plan_name(recipe)) if recipe.channels < 1 else None

    def allows(self, recipe: Recipe) -> bool:
        """Whether nothing speaks against cutting a recipe's channels."""
        return self._refused(recipe) is None

    def keep(self, recipe: Recipe) -> Mapping[str, Sequence[int]] | None:
        """The channels that stay; None where none are cut.

        Raises:
            Infeasible: there is no plan by which they can be.
        """
        if reason := self._refused(recipe):
            raise Infeasible(reason)
        planned = self.of(recipe)
        return None if planned is None else planned.keep

    def known(self, recipe: Recipe, runtime: Runtime) -> Measurement | None:
        """What a recipe's file takes as far as an untrained one of the same structure was measured."""
        planned = self.of(recipe)
        if planned is None or planned.structure is None or not _is_as_planned(recipe):
            return None
        return self.latency(planned.structure, runtime)

    def speed(self, recipe: Recipe) -> float:
        """What a recipe's file takes, as a share of the one with all channels; 1 where that is not known."""
        planned = self.of(recipe)
        return 1.0 if planned is None or planned.speed is None else planned.speed

    def _refused(self, recipe: Recipe) -> str | None:
        """Why a recipe's channels can't be cut, None where they can, or as long as nothing is planned."""
        planned = self.of(recipe)
        if planned is None and self.plans and recipe.channels < 1:
            return f"no cut to {recipe.channels:.0%} of the multiply-accumulates was planned"
        return None if planned is None else planned.refused


def _is_as_planned(recipe: Recipe) -> bool:
    """Whether a recipe's file has the structure of the untrained one that stands for its kernels."""
    scheme = STANDS_FOR[kernels(recipe.quantize)]
    bare = Recipe(model=recipe.model, dead_channels=recipe.dead_channels, channels=recipe.channels, quantize=scheme)
    return structural(recipe) == structural(bare)
