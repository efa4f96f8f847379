"""Criteria for which channels matter least: what half of the multiply-accumulates costs in accuracy by each.

Accuracy is of validation and test samples, so it is no number to choose by. "sharing" says how the groups share the
cut: over the network as a whole (plan.plan()), or the same share of each.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from autotune.compress.channels import plan as planning
from autotune.compress.channels.examine import examine
from autotune.compress.channels.graph import Call, entered
from autotune.compress.channels.groups import Group, Groups, groups_of
from autotune.compress.channels.kinds import WIDTHS, kind_of
from autotune.compress.channels.macs import total
from autotune.compress.channels.plan import Examined, most_important, plan
from autotune.compress.flat import flattened
from autotune.compress.stage import TrainingData
from autotune.compress.training import keras_loss
from autotune.compress.worker import start
from autotune.config import Recipe, Runtime
from autotune.devices.client.local import LocalDevice
from autotune.devices.device import Session
from autotune.model.keras_types import KerasTensor
from autotune.model.load import open_base
from autotune.results.significance import Z
from benchmarks.techniques import EPOCHS, MODELS, Subject, file_of, present, read_subject

SHARE = 0.5
"""Of the multiply-accumulates, which stays."""

SAMPLES, BATCH = 512, 32
"""Training samples that Taylor's criterion looks at, as many as our own does; and at once."""

SEEDS = (0,)
"""Of the trainings, and of the samples that weights are fitted to."""

Scores = dict[str, NDArray[np.float64]]
"""By a group's name the importance of each of its channels (width,)."""

Correct = list[NDArray[np.float64]]
"""For each seed which samples a file is right about (n,), 0 or 1."""


@dataclass(frozen=True)
class Cut:
    """One way to cut a model.

    Attributes:
        criterion: its name.
        sharing: how the groups share the cut.
        keep: by a group's name the channels that stay.
        macs: the share of the multiply-accumulates that stays.
        trains: whether it is trained, too.
    """

    criterion: str
    sharing: str
    keep: Mapping[str, list[int]]
    macs: float
    trains: bool = True


def main() -> None:
    """Prints the tables as Markdown."""
    start(1)
    for name, (model, data, augment) in list(MODELS.items())[:2]:
        if present(name, model, data):
            _table(name, read_subject(model, data), augment)


def _table(title: str, subject: Subject, augment: str) -> None:
    """Prints a row for each cut; differences are to our own, on the same samples, with their 95 % interval."""
    untrained = Recipe(channels=SHARE, fine_tune="none")
    trained = Recipe(channels=SHARE, epochs=EPOCHS, augment=augment)
    with tempfile.TemporaryDirectory() as folder, LocalDevice().open() as session:
        whole = _correct(session, Recipe(), {}, subject, SEEDS[:1], Path(folder))
        print(f"\n{title}, all channels: {np.mean(whole):.3f}")
        print("| criterion | sharing | MACs | channels | untrained | beside ours | trained | beside ours |")
        print("|---|---|---|---|---|---|---|---|", flush=True)
        ours: list[Correct] = []
        for cut in cuts(subject):
            recipes = [untrained, trained] if cut.trains else [untrained]
            results = [_correct(session, each, cut.keep, subject, SEEDS, Path(folder)) for each in recipes]
            ours = ours or results
            widths = " ".join(str(len(channels)) for channels in cut.keep.values())
            columns = [_columns(each, reference) for each, reference in zip(results, ours, strict=False)]
            row = [cut.criterion, cut.sharing, f"{cut.macs:.3f}", widths, *columns]
            print(f"| {' | '.join(row)} |", flush=True)


def cuts(subject: Subject) -> Iterator[Cut]:
    """What is compared, our own way first."""
    data = subject.lessons[0]
    examined = examine(subject.base, data)
    groups = groups_of(flattened(open_base(subject.base)), data.excluded)
    ours = {group["name"]: np.array(group["importance"]) for group in examined["groups"]}
    random = np.random.default_rng(0)
    criteria: dict[str, Scores] = {
        "ours": ours,
        "Taylor": taylor(groups, data),
        "L1": magnitude(groups, 1),
        "L2": magnitude(groups, 2),
    }
    if scales := gammas(groups):
        criteria["gamma"] = scales
    for name, scores in criteria.items():
        # L1 leaves the widths that L2 does: one training is enough for both.
        yield replace(_planned(name, examined, scores, planning.COMPOUND), trains=name != "L1")
    yield _uniform("ours", examined, ours)
    drawn = {name: random.random(len(each)) for name, each in ours.items()}
    untrained = [_uniform("L2", examined, criteria["L2"]), _uniform("drawn at random", examined, drawn)]
    untrained += [_planned(name, examined, scores, 1.0) for name, scores in criteria.items()]
    for cut in untrained:
        yield replace(cut, trains=False)


def _planned(name: str, examined: Examined, scores: Scores, power: float) -> Cut:
    """Shares over the network as a whole, with what a group's cut costs to a power."""
    scored = _with_scores(examined, scores)
    with patch.object(planning, "COMPOUND", power):
        widths = plan(scored, SHARE)
    return _cut(name, f"whole, power {power:g}", scored, widths)


def _uniform(name: str, examined: Examined, scores: Scores) -> Cut:
    """The same share of each group: the largest that leaves no more multiply-accumulates than asked."""

    def widths(share: float) -> dict[str, int]:
        return {group: max(1, round(share * len(each))) for group, each in scores.items()}

    wanted = SHARE * examined["macs"]
    share = max(each for each in np.linspace(0, 1, 1001).tolist() if total(examined["terms"], widths(each)) <= wanted)
    return _cut(name, "uniform", _with_scores(examined, scores), widths(share))


def _with_scores(examined: Examined, scores: Scores) -> Examined:
    groups = examined["groups"]
    return {**examined, "groups": [{**group, "importance": scores[group["name"]].tolist()} for group in groups]}


def _cut(name: str, sharing: str, examined: Examined, widths: Mapping[str, int]) -> Cut:
    full = {group["name"]: len(group["importance"]) for group in examined["groups"]}
    keep = most_important(examined, full | dict(widths))
    return Cut(name, sharing, keep, total(examined["terms"], full | dict(widths)) / examined["macs"])


def taylor(groups: Groups, data: TrainingData) -> Scores:
    """First-order Taylor: by how much the loss of the labels would change without the channel, squared, the mean over
    samples (Molchanov et al., arXiv:1906.10771, with gates on what the layers behind take).
    """
    import tensorflow as tf

    loss = keras_loss(data.loss)
    scores = {group.name: np.zeros(group.width) for group in groups.groups}
    summing = [call for call in groups.calls if kind_of(call) in WIDTHS]
    readers = [call for call in summing if groups.of_label.keys() & groups.taken(call).tolist()]
    for first in range(0, min(SAMPLES, len(data.x)), BATCH):
        x, y = (tf.constant(each[first : first + BATCH]) for each in (data.x, data.y))
        values = entered(groups.model.inputs, x)
        gates: dict[str, KerasTensor] = {}
        with tf.GradientTape() as tape:
            for call in groups.calls:
                own = dict(values)
                if call in readers:
                    # Each reader has a gate of its own, for each sample: those of a tensor's other readers are theirs.
                    gate = tf.ones((len(x), *[1] * (len(call.shapes[0]) - 1), call.shapes[0][-1]))
                    tape.watch(gate)
                    gates[call.layer.name] = gate
                    own[call.inputs[0]] *= gate
                call.run(own)
                values |= {output: own[output] for output in call.outputs}
            sums = tf.reduce_sum(loss(y, values[groups.exits[0]]))
        gradients = tape.gradient(sums, gates)
        for group in groups.groups:
            changes = np.zeros((group.width, len(x)))
            for call in readers:
                numbers = group.numbers(groups.taken(call))
                change = gradients[call.layer.name].numpy().reshape(len(x), -1).T
                np.add.at(changes, numbers[numbers >= 0], change[numbers >= 0])
            scores[group.name] += np.square(changes).sum(axis=1)
    return {name: each / min(SAMPLES, len(data.x)) for name, each in scores.items()}


def magnitude(groups: Groups, order: int) -> Scores:
    """The norm of a channel's weights in the layers that make it (Li et al., arXiv:1608.08710), as a part of the
    group's mean, since layers are of different scale.
    """

    def power(call: Call) -> NDArray[np.float64]:
        kernel = call.layer.kernel.numpy().astype(np.float64)
        return np.asarray(np.sum(np.abs(kernel) ** order, axis=tuple(range(kernel.ndim - 1))))

    making = [call for call in groups.calls if kind_of(call) in WIDTHS]
    norms = {group.name: _sums(groups, group, making, power) ** (1 / order) for group in groups.groups}
    return {name: each / each.mean() for name, each in norms.items()}


def gammas(groups: Groups) -> Scores:
    """The scale of batch normalisation, without its sign (Liu et al., arXiv:1708.06519), the mean of a group's layers;
    none where a group has no such layer.
    """
    normalising = [call for call in groups.calls if call.kind == "BatchNormalization" and call.layer.scale]
    scores = {}
    for group in groups.groups:
        layers = _sums(groups, group, normalising, lambda call: np.ones(call.output_shape[-1]))
        if not layers.all():
            return {}
        scales = _sums(groups, group, normalising, lambda call: np.abs(call.layer.gamma.numpy()))
        scores[group.name] = scales / layers
    return scores


def _sums(
    groups: Groups, group: Group, calls: list[Call], value: Callable[[Call], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Over the calls that make channels of a group, what each says of them (width,)."""
    sums = np.zeros(group.width)
    for call in calls:
        numbers = group.numbers(groups.made(call))
        np.add.at(sums, numbers[numbers >= 0], value(call)[numbers >= 0])
    return sums


def _correct(
    session: Session,
    recipe: Recipe,
    keep: Mapping[str, list[int]],
    subject: Subject,
    seeds: tuple[int, ...],
    folder: Path,
) -> Correct:
    """Which samples the recipe's files are right about that are cut so, for each seed."""
    path, inputs = folder / "model.tflite", folder / "x.npy"
    np.save(inputs, subject.every.x)
    correct = []
    for seed in seeds:
        path.write_bytes(file_of(recipe, dict(keep), subject.base, [subject.lessons[seed]], 0, {}).data)
        outputs = session.outputs(path, Runtime(), inputs)
        correct.append(subject.tasks[0].score(outputs, subject.every.y).each.astype(np.float64))
    return correct


def _columns(correct: Correct, reference: Correct) -> str:
    """Accuracy, the mean over seeds, with each; and what it is beside the reference's."""
    differences = np.mean(correct, axis=0) - np.mean(reference, axis=0)
    reach = Z * np.std(differences) / np.sqrt(len(differences))
    each = ", ".join(f"{np.mean(seed):.3f}" for seed in correct)
    return f"{np.mean(correct):.3f} ({each}) | {100 * np.mean(differences):+.1f} ± {100 * reach:.1f}"
