"""Images that do not fit into memory: what a study of them takes of it (goals: driver 1 GB, worker 3 GB beyond shared
pages), and what an epoch takes beside plain tf.data and fit (goal: 1.3).

python -m benchmarks images [--images N] [--trials N]; by default 20,000 images of 224 x 224 x 3, about an hour on two
cores. MobileNetV2, a third as wide, with random weights learns the direction of stripes.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from autotune.errors import ExitStatus
from autotune.ledger.journal import read
from benchmarks.job import watch

SIZE, CLASSES, WIDTH = 224, 4, 0.35
EVALUATED = 1000
"""Images of validation, and of test."""
TIMED = 512
"""Images of an epoch that is timed."""
EPOCHS = 2
"""That are timed in turn; the one before them, in which graphs are made, is not."""
SPACE = {
    "quantize": ["none", "dynamic", "int8", "qat"],
    "prune": [0, 0.5],
    "fine_tune": "labels",
    "epochs": 1,
    "threads": 1,
}


def main(arguments: Sequence[str] = ()) -> None:
    """Makes the images and the model, times epochs, then runs a study and watches its processes."""
    parser = argparse.ArgumentParser("python -m benchmarks images", description=__doc__)
    parser.add_argument("--images", type=int, default=20_000, help="to train on")
    parser.add_argument("--trials", type=int, default=6, help="of the study")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.monotonic()
        for split, count in (("train", options.images), ("val", EVALUATED), ("test", EVALUATED)):
            draw(folder / "images" / split, count)
        print(f"{options.images} images, {options.images * SIZE * SIZE * 3 / 1e9:.1f} GB as bytes")
        print(f"  drawn in {time.monotonic() - began:.0f} s")
        _child("save", folder)
        _epochs(folder)
        _study(folder, options.trials, options.images)


def draw(folder: Path, count: int) -> None:
    """Writes JPEG files of stripes in noise, by their direction in CLASSES folders."""
    for label in range(CLASSES):
        (folder / str(label)).mkdir(parents=True)

    def one(index: int) -> None:
        random = np.random.default_rng([index, len(folder.name)])
        label, (x, y) = index % CLASSES, np.mgrid[:SIZE, :SIZE]
        angle = np.pi * (label + random.uniform(-0.2, 0.2)) / CLASSES
        stripes = np.sin((x * np.cos(angle) + y * np.sin(angle)) * random.uniform(0.1, 0.5) + random.uniform(0, 6))
        noise = Image.fromarray(random.integers(0, 256, (SIZE // 4, SIZE // 4, 3), np.uint8)).resize((SIZE, SIZE))
        pixels = np.asarray(noise) / 2 + 64 * (1 + stripes[..., None])
        Image.fromarray(pixels.astype(np.uint8)).save(folder / str(label) / f"{index}.jpg", quality=90)

    with ThreadPoolExecutor() as threads:
        list(threads.map(one, range(count)))


def _child(do: str, folder: Path) -> Any:  # Any: what it prints as JSON
    """Does one thing in a process of its own, so that TensorFlow's memory is not of the next."""
    command = [sys.executable, "-m", "benchmarks.images", do, str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return json.loads(done.stdout.splitlines()[-1])


def _epochs(folder: Path) -> None:
    """Prints what an epoch takes, in turn."""
    ratios = []
    for ours, plain in (("ours", "plain"), ("plain", "ours"), ("ours", "plain")):
        seconds = {ours: _child(ours, folder), plain: _child(plain, folder)}
        ratios.append(seconds["ours"] / seconds["plain"])
        line = f"epoch of {TIMED} images: {seconds['ours']:.1f} s, plain {seconds['plain']:.1f} s"
        print(f"{line}, ratio {ratios[-1]:.2f}", flush=True)
    print(f"epoch beside tf.data and fit, median {np.median(ratios):.2f}")


def _study(folder: Path, trials: int, images: int) -> None:
    """Runs a study, its trainings on a tenth of the images and the front's on all, and prints what it took."""
    (folder / "space.yaml").write_text(json.dumps(SPACE))
    files = ["--model", "model.keras", "--data", "images", "--space", "space.yaml", "--name", "images"]
    limits = ["--trials", str(trials), "--train-samples", str(images // 10), "--tracking-uri", "none"]
    command = [sys.executable, "-m", "autotune", "run", *files, *limits]
    with (folder / "log").open("w+") as log:
        began = time.monotonic()
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        driver, worker = watch(process)
        if process.returncode != ExitStatus.DONE:
            log.seek(0)
            print(f"the study ended with status {process.returncode}: {log.read()[-2000:]}")
            return
    record = read(folder / "runs" / "images", "images")
    files_built = {point.outcome.artifact for point in record.points if point.outcome.artifact}
    print(f"study of {len(files_built)} files               {time.monotonic() - began:.0f} s")
    print(f"driver, beyond shared pages        {driver.own / 1e6:.0f} MB")
    print(f"worker, beyond shared pages        {worker.own / 1e6:.0f} MB ({worker.resident / 1e6:.0f} MB with them)")


def _save(folder: Path) -> int:
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    inputs = tf_keras.Input((SIZE, SIZE, 3))
    network = tf_keras.applications.MobileNetV2((SIZE, SIZE, 3), WIDTH, weights=None, classes=CLASSES)
    outputs = network(tf_keras.layers.Rescaling(1 / 127.5, -1)(inputs))
    model = tf_keras.Model(inputs, outputs)
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    model.save(folder / "model.keras")
    return 0


def _plain(folder: Path) -> float:
    """Seconds of an epoch as one would write it by hand."""
    import tensorflow as tf
    import tf_keras

    images = tf_keras.utils.image_dataset_from_directory(
        folder / "images" / "train", image_size=(SIZE, SIZE), batch_size=32, seed=0
    )
    model = tf_keras.models.load_model(folder / "model.keras")
    ends, timer = _timer()
    model.fit(images.take(TIMED // 32).prefetch(tf.data.AUTOTUNE), epochs=1 + EPOCHS, verbose=0, callbacks=[timer])
    return _middle(ends)


def _ours(folder: Path) -> float:
    """The same as a stage trains."""
    from autotune.compress.stage import TrainingData
    from autotune.compress.training import fine_tune
    from autotune.model.load import import_model, open_base
    from autotune.task.data import read_data

    base = import_model((folder / "model.keras").read_bytes(), "model.keras").data
    train = read_data(str(folder / "images"), (SIZE, SIZE, 3), 0, cache=folder / "cache").train
    data = TrainingData(train.x, train.y, train.x[:1], "sparse_categorical_crossentropy", 0)
    parameters = {"fine_tune": "labels", "augment": "none", "learning_rate": 1e-3, "batch_size": 32}
    ends, timer = _timer()
    fine_tune(open_base(base), base, parameters | {"epochs": 1 + EPOCHS, "samples": TIMED}, data, [timer])
    return _middle(ends)


def _timer() -> tuple[list[float], Any]:  # Any: Keras has no types
    """When epochs end, and the callback that notes it."""
    import tf_keras

    ends: list[float] = []
    return ends, tf_keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: ends.append(time.monotonic()))


def _middle(ends: Sequence[float]) -> float:
    """Seconds of an epoch, without the first."""
    return float(np.median(np.diff(ends)))


if __name__ == "__main__":
    from autotune.compress.worker import start

    start(1)
    print(json.dumps({"save": _save, "plain": _plain, "ours": _ours}[sys.argv[1]](Path(sys.argv[2]))))
