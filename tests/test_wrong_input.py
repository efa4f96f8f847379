"""Wrong input as users have it, through the command line with the real importer: one line, nothing left behind."""

import sys
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from autotune.cli import command as cli
from autotune.compress import pipeline
from autotune.compress.worker import start
from autotune.model.trust import Trust, allow
from autotune.study.pool import RayPool

start(2)

import keras  # noqa: E402  # after the legacy switch is set
import tensorflow as tf  # noqa: E402
import tf_keras  # noqa: E402

K, L = tf_keras.layers, keras.layers
Prepare = Callable[[Path], object]
RUN = ("--model", "m.keras", "--data", "d.npz")
IMAGES = ("--model", "m.keras", "--data", "images")
FUNCTION = ("--model", "m.keras", "--data", "mine.py:data")


def in_process(_: RayPool, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
    """In place of a worker: the same call in this process."""
    future: Future[Any] = Future()
    try:
        future.set_result(function(*arguments))
    except Exception as error:  # noqa: BLE001  # whatever it is, it is the future's
        future.set_exception(error)
    return future


@pytest.fixture
def refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[Prepare, tuple[str, ...]], str]:
    """Runs a command that must be refused in one line and leave nothing; gives the line."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(RayPool, "submit", in_process)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # what Python keeps of users' modules is not ours
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    allow(Trust())

    def refused(prepare: Prepare, arguments: tuple[str, ...]) -> str:
        prepare(tmp_path)
        before = sorted(tmp_path.rglob("*"))
        capsys.readouterr()
        assert cli.main(["run", *arguments]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        [line] = captured.err.splitlines()
        assert sorted(tmp_path.rglob("*")) == before
        allow(Trust())
        return line

    return refused


def model(folder: Path, name: str = "m.keras", shape: tuple[int | None, ...] = (4,), outputs: int = 3) -> None:
    """A model for these samples; a .tflite or a SavedModel folder where the name says so."""
    body = [L.GlobalAveragePooling2D()] if len(shape) == 3 else []
    made = keras.Sequential(
        [keras.Input(shape), *body, L.Dense(outputs, activation="softmax" if outputs > 1 else None)]
    )
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".tflite":
        path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(legacy(K.Dense(outputs))).convert())
    elif path.suffix:
        made.save(path)
    else:
        made.export(path, verbose=False)


def legacy(*layers: Any) -> Any:
    return tf_keras.Sequential([K.InputLayer((4,)), *layers])


def data(folder: Path, **changes: Any) -> None:
    """Data in order, with some arrays changed."""
    x, y = np.linspace(0, 1, 120, dtype=np.float32).reshape(30, 4), np.arange(30) % 3
    arrays: dict[str, Any] = {"x_train": x, "y_train": y, "x_test": x, "y_test": y} | changes
    np.savez(folder / "d.npz", **arrays)


def both(**changes: Any) -> Prepare:
    """A model and data that fit, but for these arrays."""

    def write(folder: Path) -> None:
        model(folder)
        data(folder, **changes)

    return write


def images(folder: Path, classes: tuple[str, ...] = ("cat", "dog", "fox"), shape: tuple[int, ...] = (8, 8, 3)) -> Path:
    """A model that takes images, and a folder with some of each class."""
    model(folder, shape=shape)
    for split in ("train", "test"):
        for name in classes:
            (folder / "images" / split / name).mkdir(parents=True)
            for number in range(3):
                Image.new("RGB", (10, 10), (90 * number, 9, 9)).save(folder / f"images/{split}/{name}/{number}.png")
    return folder / "images"


def cut(path: Path, share: float = 0.6) -> None:
    """Leaves the beginning of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def broken_images(folder: Path) -> None:
    cut(images(folder) / "train/cat/0.png")
    (folder / "images/test/dog/1.png").write_text("not an image")


def function(code: str) -> Prepare:
    """A model, and a file of the user's own."""

    def write(folder: Path) -> None:
        model(folder)
        (folder / "mine.py").write_text(f"import numpy as np\nx, y = np.ones((30, 4)), np.arange(30) % 3\n{code}")

    return write


def returned(dictionary: str, before: str = "") -> Prepare:
    return function(f"{before}\ndef data():\n    return {dictionary}\n")


SPLITS = "'train': (x, y), 'test': (x, y)"


def space(content: str) -> Prepare:
    def write(folder: Path) -> None:
        both()(folder)
        (folder / "s.yaml").write_text(content)

    return write


class Program(tf.Module):  # type: ignore[misc]  # tensorflow has no types
    """Two functions made without Keras, over these inputs."""

    def __init__(self, shape: tuple[int | None, ...]) -> None:
        super().__init__()
        entry = [tf.TensorSpec(shape, tf.float32)]
        self.weights = tf.Variable(tf.ones((4, 3)))
        self.plain = tf.function(lambda x: tf.nn.softmax(x @ self.weights), input_signature=entry)
        self.strange = tf.function(lambda x: tf.math.betainc(x, x, tf.math.sigmoid(x)), input_signature=entry)


def program(folder: Path, names: dict[str, str], shape: tuple[int | None, ...] = (None, 4)) -> Path:
    """Data, and a SavedModel whose signatures are these functions of Program."""
    data(folder)
    made = Program(shape)
    signatures = {signature: getattr(made, name).get_concrete_function() for signature, name in names.items()}
    tf.saved_model.save(made, folder / "saved", signatures=signatures)
    return folder / "saved"


def converted(folder: Path, names: dict[str, str], shape: tuple[int | None, ...] = (None, 4)) -> None:
    """The same as a .tflite file."""
    saved = program(folder, names, shape)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved), signature_keys=list(names))
    converter.allow_custom_ops = True
    (folder / "m.tflite").write_bytes(converter.convert())


def damaged(name: str) -> Prepare:
    """A model file that was not copied to its end, and data."""

    def write(folder: Path) -> None:
        data(folder)
        path = folder / name
        if path.suffix == ".h5":
            legacy(K.Dense(3)).save(path)
        else:
            model(folder, name)
        cut(path if path.is_file() else path / "saved_model.pb")

    return write


def custom(folder: Path) -> None:
    data(folder)
    double = type("Double", (keras.layers.Layer,), {"call": lambda self, x: 2 * x, "__module__": "mine"})
    double = keras.saving.register_keras_serializable("mine")(double)
    keras.Sequential([keras.Input((4,)), double(name="twice"), L.Dense(3)]).save(folder / "m.keras")
    keras.saving.get_custom_objects().pop("mine>Double")


def code(folder: Path) -> None:
    data(folder)
    keras.Sequential([keras.Input((4,)), L.Lambda(lambda x: 2 * x, name="twice"), L.Dense(3)]).save(folder / "m.keras")


def module(content: str | None) -> Prepare:
    def write(folder: Path) -> None:
        both()(folder)
        if content is not None:
            (folder / f"layers_of_{folder.name}.py").write_text(content)

    return write


def two(first: str, second: str, **other: Any) -> Prepare:
    """Data and two models."""

    def write(folder: Path) -> None:
        data(folder)
        model(folder, first)
        model(folder, second, **other)

    return write


def ends(folder: Path) -> None:
    entries = [keras.Input((4,)), keras.Input((4,))]
    keras.Model(entries, L.Dense(3)(L.Add()(entries))).save(folder / "m.keras")
    data(folder)


def dynamic(folder: Path) -> None:
    model(folder, shape=(None, None, 3))
    data(folder)


def regression(folder: Path) -> None:
    model(folder, outputs=1)
    data(folder, y_train=np.linspace(0, 1, 30), y_test=np.linspace(0, 1, 30))


LARGE = np.full((30, 4), 255, np.float32)
NAN = np.full((30, 4), np.nan, np.float32)


@pytest.mark.parametrize(
    ("prepare", "arguments", "says"),
    [
        # Images.
        (lambda folder: images(folder, ("cat",)), IMAGES, "train/ needs a folder for each of two classes or more"),
        (lambda folder: images(folder, ("cat", "dog")), IMAGES, "has 2 classes (cat, dog), the model tells 3 apart"),
        (broken_images, IMAGES, "data images: train/cat/0.png can't be read: "),
        (lambda folder: images(folder).joinpath("test").rename(folder / "t"), IMAGES, "needs folders train/ and test/"),
        (lambda folder: images(folder, shape=(8, 8, 4)), IMAGES, "images need a model that takes (height, width, 3)"),
        # Arrays.
        (both(y_train=np.arange(30) % 5, y_test=np.arange(30) % 5), RUN, "go from 0 to 4, the model has outputs for 0"),
        (both(y_test=np.arange(30)), RUN, "labels go from "),
        (both(y_train=np.ones((30, 7)), y_test=np.ones((30, 7))), RUN, "labels have shape (7,), the model gives (3,)"),
        (both(x_train=NAN), RUN, "x_train has NaN or infinite values"),
        (both(y_test=np.full(30, np.nan)), RUN, "y_test has NaN or infinite values"),
        (both(x_cal=NAN), RUN, "x_cal has NaN or infinite values"),
        (both(x_cal=LARGE), RUN, "out of the training range: it goes from 255 to 255, training data from 0 to 1"),
        (both(x_train=np.ones((30, 9))), RUN, "train samples have shape (9,), the model takes (4,)"),
        (both(y_train=np.zeros(30, int)), RUN, "all train labels are the same (0)"),
        (both(x_train=np.array(["a"] * 30)), RUN, "x_train is of type <U1, not numbers"),
        # Functions.
        (model, FUNCTION, "mine.py: no such file"),
        (function(""), FUNCTION, "mine.py: has no function 'data'"),
        (function("def data(:"), FUNCTION, "SyntaxError: "),
        (function("def data():\n    return 1 / 0\n"), FUNCTION, "ZeroDivisionError: division by zero (mine.py:4)"),
        (function("import no_such_module"), FUNCTION, "No module named 'no_such_module' (mine.py:3)"),
        (function("def data():\n    raise SystemExit(0)\n"), FUNCTION, "SystemExit: 0 (mine.py:4)"),
        (returned("x, y"), FUNCTION, "returned tuple, not a dictionary of train, test"),
        (returned("{'train': (x, y)}"), FUNCTION, "returned no test"),
        (returned(f"{{{SPLITS}, 'cal': x}}"), FUNCTION, "returned an unknown key 'cal'"),
        (returned(f"{{{SPLITS}, 'metric': 'beauty'}}"), FUNCTION, "metric 'beauty' is neither known nor a function"),
        (returned(f"{{{SPLITS}, 'better': 'big'}}"), FUNCTION, "better can't be 'big'"),
        (function(""), ("--model", "m.keras", "--data", "mine.py"), "name the function that returns the data"),
        # Models.
        (
            dynamic,
            RUN,
            "m.keras: input shape (None, None, 3) is not fixed",
        ),
        (ends, RUN, "data d.npz: has x_train alone, the model takes "),
        (
            lambda folder: program(folder, {"serving_default": "plain"}, (None, None)),
            ("--model", "saved", "--data", "d.npz"),
            "saved: input shape (None,) is not fixed",
        ),
        (
            lambda folder: program(folder, {"encode": "plain", "decode": "strange"}),
            ("--model", "saved", "--data", "d.npz"),
            "saved: has several signatures (decode, encode)",
        ),
        (
            lambda folder: program(folder, {"serving_default": "strange"}),
            ("--model", "saved", "--data", "d.npz"),
            "Betainc",
        ),
        (
            lambda folder: converted(folder, {"serving_default": "plain"}, (None, None)),
            ("--model", "m.tflite", "--data", "d.npz"),
            "m.tflite: input shape (None,) is not fixed",
        ),
        (
            lambda folder: converted(folder, {"encode": "plain", "decode": "plain"}),
            ("--model", "m.tflite", "--data", "d.npz"),
            "m.tflite: has several signatures (decode, encode)",
        ),
        (
            lambda folder: converted(folder, {"serving_default": "strange"}),
            ("--model", "m.tflite", "--data", "d.npz"),
            "m.tflite: has operators that LiteRT has not (Betainc)",
        ),
        (damaged("m.keras"), RUN, "not a whole .keras file"),
        (damaged("m.h5"), ("--model", "m.h5", "--data", "d.npz"), "m.h5: not a whole HDF5 file"),
        (damaged("m.tflite"), ("--model", "m.tflite", "--data", "d.npz"), "m.tflite: not a whole .tflite file"),
        (damaged("saved"), ("--model", "saved", "--data", "d.npz"), "saved: "),
        (
            lambda folder: (folder / "empty").mkdir(),
            ("--model", "empty", "--data", "d.npz"),
            "model empty: a folder, but no SavedModel",
        ),
        # Code in models.
        (code, RUN, "m.keras: layer 'twice' (Lambda) is code that opening the file would run"),
        (
            custom,
            RUN,
            "m.keras: layer 'twice' (Double) is a custom class; name the module that registers it with --cus",
        ),
        (custom, (*RUN, "--custom-objects", "json"), "layer 'twice' (Double) is a custom class"),
        (custom, (*RUN, "--trust"), "--custom-objects MODULE"),
        (both(), (*RUN, "--custom-objects", "no_such_module"), "--custom-objects no_such_module: can't be imported"),
        # Several models.
        (
            two("a/m.keras", "b/m.keras"),
            ("--model", "a/m.keras", "--model", "b/m.keras", "--data", "d.npz"),
            "called m",
        ),
        (two("a.keras", "b.keras"), ("--model", "a.keras", "--model", "a.keras", "--data", "d.npz"), "called a.keras"),
        (
            two("a.keras", "b.keras", outputs=2),
            ("--model", "a.keras", "--model", "b.keras", "--data", "d.npz"),
            "labels go from 0 to 2, the model has outputs for 0 to 1",
        ),
        # Spaces.
        (space("prune: 0\nquantize: [int7]"), (*RUN, "--space", "s.yaml"), "s.yaml, line 2: quantize: unknown scheme"),
        (space("# a\n\nprune: [0, 2]"), (*RUN, "--space", "s.yaml"), "s.yaml, line 3: prune: 2 is outside 0 to 0.999"),
        (space("prune: 0\nprune: 0.5"), (*RUN, "--space", "s.yaml"), "s.yaml, line 2: prune stands here a second time"),
        (space("threads:\n  low: 1"), (*RUN, "--space", "s.yaml"), "s.yaml, line 1: threads: a range has low, high"),
        (
            space("quantize: qat\nfine_tune: none"),
            (*RUN, "--space", "s.yaml"),
            "nothing in it fits the model (quantization-aware training is a training)",
        ),
        (space("- prune"), (*RUN, "--space", "s.yaml"), "space s.yaml: must map dimensions to values"),
        # Options.
        (
            both(),
            (*RUN, "--exclude", "conv*"),
            "--exclude 'conv*': no layer with weights is called so; there are dense",
        ),
        (both(), (*RUN, "--validation-share", "2"), "--validation-share: '2' is no share between 0 and 1"),
        (both(), (*RUN, "--validation-share", "0%"), "--validation-share: '0%' is no share between 0 and 1"),
        (
            both(),
            (*RUN, "--metric", "mae"),
            "metric 'mae' does not fit the labels, which are class numbers; give another --metric",
        ),
        (both(), (*RUN, "--metric", "top5"), "is always 100% of a model with 3 outputs"),
        (regression, (*RUN, "--target", "accuracy>=90%"), "this task's metric is mae, not accuracy"),
        (regression, (*RUN, "--loss", "sparse_categorical_crossentropy"), "does not fit the model's output"),
    ],
)
def test_one_line(
    refusal: Callable[[Prepare, tuple[str, ...]], str], prepare: Prepare, arguments: tuple[str, ...], says: str
) -> None:
    """What is wrong, and where; exit status 2; no file or folder that was not there before."""
    line = refusal(prepare, arguments)
    assert line.startswith("autotune: ")
    assert says in line


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "No such file"),
        ("1 / 0", "ZeroDivisionError"),
        ("def", "SyntaxError"),
        ("raise SystemExit", "SystemExit"),
    ],
)
def test_module_that_can_not_be_imported(
    tmp_path: Path, refusal: Callable[[Prepare, tuple[str, ...]], str], content: str | None, says: str
) -> None:
    """--custom-objects names a file that is not there, or fails."""
    line = refusal(module(content), (*RUN, "--custom-objects", f"layers_of_{tmp_path.name}.py"))
    assert "--custom-objects" in line
    assert "can't be imported" in line
    assert says in line


def test_tfds_without_its_package(
    refusal: Callable[[Prepare, tuple[str, ...]], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Says how to install it."""
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    line = refusal(both(), ("--model", "m.keras", "--data", "tfds:mnist"))
    assert line == "autotune: data tfds:mnist: needs tensorflow-datasets: install autotune with the extra tfds"


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import no_such_module", "can't be imported: No module named 'no_such_module'"),
        ("Stage = 1 / 0", "can't be imported: division by zero"),
        ("", "can't be imported: module 'broken_stage' has no attribute 'Stage'"),
    ],
)
def test_plug_in_that_can_not_be_imported(
    tmp_path: Path,
    refusal: Callable[[Prepare, tuple[str, ...]], str],
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    says: str,
) -> None:
    """Names it, so that it can be mended or removed."""
    (tmp_path / "broken-1.dist-info").mkdir()
    (tmp_path / "broken-1.dist-info" / "entry_points.txt").write_text("[autotune.stages]\nmine = broken_stage:Stage\n")
    (tmp_path / "broken_stage.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    pipeline.stages.cache_clear()
    line = refusal(both(), RUN)
    sys.modules.pop("broken_stage", None)
    assert line == f"autotune: plug-in mine = broken_stage:Stage {says}; mend or remove its package"


def test_experiment_with_a_space_of_its_own(refusal: Callable[[Prepare, tuple[str, ...]], str]) -> None:
    """The line is the experiment file's."""

    def write(folder: Path) -> None:
        both()(folder)
        (folder / "e.yaml").write_text("model: m.keras\ndata: d.npz\nspace:\n  prune: 0\n  threads: [many]\n")

    line = refusal(write, ("e.yaml",))
    assert line == "autotune: space in e.yaml, line 5: threads: 'many' is no whole number"
