"""Makes a detection task's data and model: detector.npz and detector.keras, beside this file.

    python experiments/detector/train.py

A small single-shot detector (W. Liu et al., SSD, 2016): from two maps of features it gives, for each of a set of
anchors, a box and a score for each kind of shape. Boxes are decoded in the model by plain layers. The labels in the
file are the shapes themselves, as metrics want them; those of anchors, to train with, are made of them here.
Nothing is downloaded: shapes.py draws the pictures.
"""

from pathlib import Path

import keras
import numpy as np

from experiments.shapes import KINDS, SIZE, overlaps, scene
from experiments.splits import Array, made

HERE = Path(__file__).parent

MAPS = {8: (12, 18), 4: (26,)}
"""Cells along a side of each map, and the sides of its anchors in pixels."""
MATCH = 0.4
"""The intersection over union from which an anchor stands for a shape."""
SEEN = 7_500
"""Samples that the model is trained on; the file has the first of them."""


def main() -> None:
    """Draws, trains, saves, and prints what the model scores."""
    random = np.random.default_rng(0)
    splits = made(HERE / "detector.npz", lambda count: drawn(random, count), SEEN)

    keras.utils.set_random_seed(0)
    model = network()
    train, test = splits["train"], splits["test"]
    epochs, batch = 15, 32
    rate = keras.optimizers.schedules.CosineDecay(4e-3, epochs * len(train["x"]) // batch)
    model.compile(keras.optimizers.Adam(rate), {"boxes": box_loss, "scores": score_loss})
    model.fit(train["x"], anchor_labels(train), batch_size=batch, epochs=epochs, verbose=2)
    model.compile()  # without losses of this file's own, which nothing else could open
    model.save(HERE / "detector.keras")
    boxes, scores = model.predict(test["x"], verbose=0)
    precision = mean_average_precision(boxes, scores, test)
    print(f"{model.count_params()} parameters, mean average precision at 0.5 on x_test {precision:.3f}")


def drawn(random: np.random.Generator, count: int) -> dict[str, Array]:
    """Pictures (count, SIZE, SIZE, 3), uint8, and the boxes (count, MOST, 4) and classes (count, MOST) in them."""
    scenes = [scene(random) for _ in range(count)]
    return {
        "x": np.stack([each.picture for each in scenes]),
        "y:boxes": np.stack([each.boxes for each in scenes]),
        "y:classes": np.stack([each.kinds for each in scenes]),
    }


def network() -> keras.Model:
    """Convolutions that halve the picture's sides, and heads on the last two maps."""
    inputs = keras.Input((SIZE, SIZE, 3), name="image")
    x = block(keras.layers.Rescaling(1 / 127.5, -1)(inputs), 16, strides=2)
    x = block(x, 24, strides=2)
    x = block(block(x, 48, strides=2), 48)
    fine = x
    coarse = block(block(x, 64, strides=2), 64)
    heads = [head(features, cells, len(MAPS[cells])) for features, cells in zip((fine, coarse), MAPS, strict=True)]
    centers, sizes, logits = (keras.layers.Concatenate(axis=1)(list(parts)) for parts in zip(*heads, strict=True))
    scores = keras.layers.Activation("sigmoid", name="scores")(logits)
    return keras.Model(inputs, [decoded(centers, sizes), scores], name="detector")


def block(x: keras.KerasTensor, filters: int, strides: int = 1) -> keras.KerasTensor:
    """Convolution, normalisation, rectifier."""
    x = keras.layers.Conv2D(filters, 3, strides, padding="same", use_bias=False)(x)
    return keras.layers.ReLU()(keras.layers.BatchNormalization()(x))


def head(x: keras.KerasTensor, cells: int, anchors: int) -> list[keras.KerasTensor]:
    """Of each anchor of a map the center's offset (2), the logarithm of the size (2), and logits of the kinds.

    Args:
        x: the map, of cells x cells.
        cells: along its sides.
        anchors: of a cell.
    """
    x = block(x, 48)
    values = []
    for width in (2, 2, len(KINDS)):
        bias = keras.initializers.Constant(-3.0 if width == len(KINDS) else 0.0)  # most anchors see the ground
        each = keras.layers.Conv2D(anchors * width, 1, bias_initializer=bias)(x)
        values.append(keras.layers.Reshape((cells * cells * anchors, width))(each))
    return values


def decoded(centers: keras.KerasTensor, sizes: keras.KerasTensor) -> keras.KerasTensor:
    """Boxes: offsets are in the anchor's sides, sizes relative to them; the constants are Rescaling's."""
    middles, sides = anchor_middles(), anchor_sides()
    centers = keras.layers.Rescaling(sides.tolist(), middles.tolist())(centers)
    halves = keras.layers.Rescaling((sides / 2).tolist())(keras.layers.Activation("exponential")(sizes))
    near, far = keras.layers.Subtract()([centers, halves]), keras.layers.Add()([centers, halves])
    return keras.layers.Concatenate(name="boxes")([near, far])


def anchor_middles() -> Array:
    """(anchors, 2): y and x, as shares of the picture; in the order of MAPS, rows, columns, sizes."""
    maps = []
    for cells, sides in MAPS.items():
        grid = np.stack(np.meshgrid(*[(np.arange(cells) + 0.5) / cells] * 2, indexing="ij"), axis=-1)
        maps.append(np.repeat(grid.reshape(-1, 2), len(sides), axis=0))
    return np.concatenate(maps)


def anchor_sides() -> Array:
    """(anchors, 2), both sides being equal; likewise."""
    sides = np.concatenate([np.tile(sides, cells * cells) for cells, sides in MAPS.items()])
    return np.repeat(sides[:, np.newaxis] / SIZE, 2, axis=1)


def anchor_labels(split: dict[str, Array]) -> dict[str, Array]:
    """What each anchor is to give.

    Args:
        split: with "y:boxes" and "y:classes".

    Returns:
        "boxes" (n, anchors, 5), the box and whether there is one; "scores" (n, anchors, kinds).
    """
    middles, halves = anchor_middles(), anchor_sides() / 2
    anchors = np.concatenate([middles - halves, middles + halves], axis=-1)
    count = len(split["x"])
    boxes = np.zeros((count, len(anchors), 5), np.float32)
    scores = np.zeros((count, len(anchors), len(KINDS)), np.float32)
    for sample in range(count):
        there = split["y:classes"][sample] >= 0
        if not there.any():
            continue
        true, kinds = split["y:boxes"][sample][there], split["y:classes"][sample][there]
        ious = overlaps(anchors, true)
        ious[ious.argmax(axis=0), np.arange(len(true))] = 1  # each shape has its best anchor, however little that is
        best, own = ious.argmax(axis=1), ious.max(axis=1) >= MATCH
        boxes[sample, own, :4], boxes[sample, own, 4] = true[best[own]], 1
        scores[sample, own, kinds[best[own]]] = 1
    return {"boxes": boxes, "scores": scores}


def box_loss(truth: keras.KerasTensor, boxes: keras.KerasTensor) -> keras.KerasTensor:
    """By how much the corners of boxes are off, in about the sides of a shape."""
    return 4 * keras.ops.sum(truth[..., 4:] * keras.ops.abs(truth[..., :4] - boxes), axis=(1, 2))


def score_loss(truth: keras.KerasTensor, scores: keras.KerasTensor) -> keras.KerasTensor:
    """Binary cross-entropy, in which what is right already counts little (T.-Y. Lin et al., Focal Loss, 2017)."""
    missing = keras.ops.square(truth - scores)
    return keras.ops.sum(missing * keras.ops.binary_crossentropy(truth, scores), axis=(1, 2))


def mean_average_precision(boxes: Array, scores: Array, split: dict[str, Array]) -> float:
    """The area under precision over recall, as the mean over kinds; a box is right from an IoU of 0.5."""
    areas = []
    for kind in range(len(KINDS)):
        hits: list[tuple[float, bool]] = []
        for sample in range(len(boxes)):
            true = split["y:boxes"][sample][split["y:classes"][sample] == kind]
            hits += _hits(boxes[sample], scores[sample, :, kind], true)
        right = np.array([hit for _, hit in sorted(hits, key=lambda each: -each[0])])
        precision = right.cumsum() / np.arange(1, len(right) + 1)
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        areas.append((envelope * right).sum() / (split["y:classes"] == kind).sum())
    return float(np.mean(areas))


def _hits(boxes: Array, scores: Array, true: Array) -> list[tuple[float, bool]]:
    """A picture's detections of a kind: their scores, and whether each is of a shape that none before was of."""
    hits, left, seen = [], list(true), np.zeros((0, 4))
    for index in np.argsort(-scores)[:30]:
        box = boxes[index : index + 1]
        if scores[index] < 0.01 or (len(seen) and overlaps(box, seen).max() > 0.5):
            continue  # too unsure, or the same shape once more
        seen = np.concatenate([seen, box])
        ious = overlaps(box, np.array(left))[0] if left else np.zeros(1)
        hit = bool(ious.max() >= 0.5)
        if hit:
            left.pop(int(ious.argmax()))
        hits.append((float(scores[index]), hit))
    return hits


if __name__ == "__main__":
    main()
