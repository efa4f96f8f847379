"""How a study's channels are cut, for whoever builds or judges a recipe that cuts some."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from autotune.config import Recipe, Runtime
from autotune.errors import Infeasible
from autotune.results.channel_plan import ChannelPlan, plan_name
from autotune.results.measurement import Measurement


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
        planned = self.of(recipe)
        return planned is None or planned.refused is None

    def keep(self, recipe: Recipe) -> Mapping[str, Sequence[int]] | None:
        """The channels that stay; None where none are cut.

        Raises:
            Infeasible: there is no plan by which they can be.
        """
        planned = self.of(recipe)
        if planned is None:
            return None
        if planned.refused is not None:
            raise Infeasible(planned.refused)
        return planned.keep

    def known(self, recipe: Recipe, runtime: Runtime) -> Measurement | None:
        """What a recipe's file takes as far as its untrained twin was measured; where no layer is spared."""
        planned = self.of(recipe)
        structure = None if planned is None or recipe.mixed else planned.structures.get(recipe.quantize)
        return None if structure is None else self.latency(structure, runtime)

    def speed(self, recipe: Recipe) -> float:
        """What a recipe's file takes, as a share of the one with all channels; 1 where that is not known."""
        planned = self.of(recipe)
        return 1.0 if planned is None or planned.speed is None else planned.speed
