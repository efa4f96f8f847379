"""The Python API: what the command line does, by calls."""

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from autotune.api.front import Front
from autotune.errors import UserError
from autotune.model.keras_types import KerasModel
from autotune.options.table import OPTIONS
from autotune.results.front import Point
from autotune.targets.target import Target


def tune(
    experiment: str | Path | None = None,
    *,
    model: str | Path | KerasModel | Sequence[str | Path | KerasModel] | None = None,
    data: str | Path | Mapping[str, object] | None = None,
    space: str | Path | Mapping[str, object] | None = None,
    device: str | Path | Sequence[str | Path] | None = None,
    targets: str | Target | Sequence[str | Target] | None = None,
    objectives: str | Sequence[str] | None = None,
    codec: str | None = None,
    trials: int | None = None,
    patience: int | None = None,
    sampler: str | None = None,
    timeout: float | str | None = None,
    jobs: int | None = None,
    seed: int | None = None,
    name: str | None = None,
    loss: str | None = None,
    metric: str | None = None,
    validation_share: float | None = None,
    train_samples: int | None = None,
    exclude: str | Sequence[str] | None = None,
    shape: str | Sequence[str] | None = None,
    signature: str | None = None,
    custom_objects: str | Path | Sequence[str | Path] | None = None,
    trust: bool = False,
    dir: str | Path | None = None,
    ray: str | None = None,
    tracking_uri: str | None = None,
    callbacks: Sequence[Callable[[Point, Front], None]] = (),
    quiet: bool = False,
) -> Front:
    """Searches, builds and measures: `autotune run`, with its options and their defaults.

    The same call goes on where an earlier one stopped. Ctrl-C, or a notebook's stop, ends the search in order:
    what comes back then is the front as far as it is known. So do SIGTERM and SIGHUP where nobody handles them, and
    then the program, too: SystemExit with 128 and the signal's number.

    Args:
        experiment: a YAML file with any of the options below, or the name of one that is shipped.
        model: a path, a Keras model (of Keras 3 or tf_keras), or a list of these, the first of which is the
            baseline. A model is saved by its own save(), as a .keras file in the study's folder.
        data: as on the command line, or arrays by the names that an .npz file has them under (x_train, y_train,
            x_test, y_test, optionally x_val, y_val, x_cal); kept as an .npz file in the study's folder.
        space: a YAML file, a shipped one's name, or what such a file says.
        device: to measure on; of several the first is the one that the search is for.
        targets: to meet, such as "latency<50ms".
        objectives: that the front weighs.
        codec: that files are downloaded under: gzip (the default), brotli, zstd or xz.
        trials: files to build and measure in all, those of earlier runs included.
        patience: trials without a better front after which the search ends.
        sampler: its name.
        timeout: seconds, or a text such as "10m", after which nothing new is begun.
        jobs: workers that build.
        seed: of splits, shuffles and sampling.
        name: of the study; by default the experiment's or the model's.
        loss: where model and labels don't say.
        metric: that the model is judged by; by default what loss and labels suggest.
        validation_share: of the test samples that the search may see, where there is no validation split.
        train_samples: that trainings learn from in the search, with the classes in proportion; what is on the front
            then is trained again on all.
        exclude: layers to leave alone; * stands for any letters.
        shape: of inputs whose model leaves it open: "NAME=1,128,8", of the only input "1,128,8".
        signature: the one that is meant, of a SavedModel or .tflite file with several.
        custom_objects: modules, or .py files, that register custom classes.
        trust: lets a model file run code of its own.
        dir: that holds the studies.
        ray: address of a running cluster.
        tracking_uri: MLflow's store, or "none".
        callbacks: each is called with every trial that ends, in the thread that called tune(), and with the front
            as it then is. One that raises StopStudy ends the search in order; whatever else it raises ends it
            at once and reaches the caller, with all finished trials kept.
        quiet: prints nothing.

    Returns:
        The front, on the device that the search was for; see Front.on(). Whether anything on it meets the targets
        is for Front.recommended and Front.pick() to say.

    Raises:
        UserError: the input is wrong, as the command line says it. Nothing was written then.
        Fault: the machine failed. Finished trials are kept, and the same call goes on.
    """
    keywords = {name: value for name, value in locals().items() if name in OPTIONS}
    from autotune.api.keywords import to_options
    from autotune.api.live import kept
    from autotune.errors import ExitStatus
    from autotune.experiment import settings_of
    from autotune.launch import launch
    from autotune.process.interrupts import in_order
    from autotune.study.callbacks import CallingReporter
    from autotune.terminal.lines import PlainOutput
    from autotune.terminal.noise import heard
    from autotune.track.store import tracking_uri as store

    if wrong := [call for call in callbacks if not callable(call)]:
        raise UserError(f"callbacks: {wrong[0]!r} can't be called")
    settings = settings_of(to_options(keywords))
    folder = settings.folder
    study = settings.values.name
    allowed = settings.trust
    calls = [lambda point, record, call=call: call(point, Front(record, allowed)) for call in callbacks]
    with kept(folder / study, settings.values) as values:
        reporter = CallingReporter(None if quiet else PlainOutput(), calls, _known(folder, study) if calls else {})
        with in_order((signal.SIGTERM, signal.SIGHUP)), heard(reporter.note):
            summaries = launch(replace(settings, values=values), reporter, store(settings.values.tracking_uri))
        if summaries[-1].ended not in (None, ExitStatus.INTERRUPTED):  # it is not only the search that was to end
            raise SystemExit(summaries[-1].ended)
        for note in [note for summary in summaries for note in summary.notes]:
            reporter.note(note)
    return Front(summaries[0].record, allowed, reporter.notes)


def load(
    study: str,
    *,
    dir: str | Path = "runs",
    device: str | None = None,
    custom_objects: str | Path | Sequence[str | Path] | None = None,
    trust: bool = False,
) -> Front:
    """The front of a study that is there, finished or not.

    Args:
        study: its name.
        dir: that holds the studies.
        device: of those that its files were measured on; by default the one that it searched for.
        custom_objects: as tune(); for models that have to be opened once more, see Pick.save().
        trust: likewise.

    Raises:
        UserError: there is no such study, it is damaged, or it has measured nothing.
    """
    from autotune.api.keywords import texts
    from autotune.ledger.siblings import find
    from autotune.model.trust import Trust
    from autotune.study.measured_file import lost_files

    modules = () if custom_objects is None else texts("custom_objects", custom_objects)
    record = find(Path(dir), study, device)
    damages = [record.damage] if record.damage else []
    return Front(record, Trust.of(trust, modules), [*damages, *lost_files(record)])


def _known(folder: Path, name: str) -> dict[str, set[int]]:
    """The trials that there are of a search, by the names of its studies."""
    from autotune.ledger.siblings import first, siblings

    if first(folder, name) is None:
        return {}
    return {record.name: {point.trial for point in record.points} for record in siblings(folder, name).values()}
