"""Pictures to learn from: circles, squares and triangles on a noisy ground, and where they are."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from experiments.splits import Array

KINDS = ("circle", "square", "triangle")
SIZE = 64
"""Pixels of a picture's side."""
MOST = 4
"""Shapes of a picture."""

_CORNERS = {"square": 4, "triangle": 3}
_RADII = (5.0, 13.0)
_NOISE = 20.0
"""Standard deviation, of values from 0 to 255."""


@dataclass(frozen=True)
class Scene:
    """A picture of one to MOST shapes, which may touch, but hardly cover each other.

    Attributes:
        picture: (SIZE, SIZE, 3), uint8.
        mask: (SIZE, SIZE), uint8: 0 for the ground, 1 + the kind for a shape.
        boxes: (MOST, 4), float32: ymin, xmin, ymax, xmax as shares of SIZE; -1 where there is no shape.
        kinds: (MOST,), int32: indices of KINDS; likewise.
    """

    picture: Array
    mask: Array
    boxes: Array
    kinds: Array


def scene(random: np.random.Generator) -> Scene:
    """The next picture."""
    ground = random.integers(40, 216, 3)
    picture = Image.new("RGB", (SIZE, SIZE), _color(ground))
    mask = Image.new("L", (SIZE, SIZE))
    boxes, kinds = np.full((MOST, 4), -1, np.float32), np.full(MOST, -1, np.int32)
    for place in range(random.integers(1, MOST + 1)):
        kind = int(random.integers(len(KINDS)))
        outline = _outline(random, KINDS[kind])
        box = np.concatenate([outline.min(axis=0)[::-1], outline.max(axis=0)[::-1]]) / SIZE
        if overlaps(box[np.newaxis], boxes).max() > 0.05:
            continue
        points = [(float(x), float(y)) for x, y in outline]
        ImageDraw.Draw(picture).polygon(points, _color(_apart(random, ground)))
        ImageDraw.Draw(mask).polygon(points, 1 + kind)
        boxes[place], kinds[place] = box, kind
    order = np.argsort(kinds < 0, kind="stable")
    return Scene(noisy(random, picture), np.array(mask), boxes[order], kinds[order])


def noisy(random: np.random.Generator, picture: Image.Image) -> Array:
    """A picture's pixels (height, width, 3), uint8, with noise on them."""
    pixels = np.asarray(picture, np.float64)
    return np.clip(np.rint(pixels + random.normal(0, _NOISE, pixels.shape)), 0, 255).astype(np.uint8)


def overlaps(left: Array, right: Array) -> Array:
    """Intersection over union of each box with each other one.

    Args:
        left: (n, 4): ymin, xmin, ymax, xmax.
        right: (m, 4).

    Returns:
        (n, m); 0 for a box without an area.
    """
    near = np.maximum(left[:, np.newaxis, :2], right[np.newaxis, :, :2])
    far = np.minimum(left[:, np.newaxis, 2:], right[np.newaxis, :, 2:])
    both = np.prod(np.maximum(far - near, 0), axis=-1)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=-1) for boxes in (left, right)]
    either = areas[0][:, np.newaxis] + areas[1][np.newaxis] - both
    return np.asarray(both / np.maximum(either, 1e-9))


def _outline(random: np.random.Generator, kind: str) -> Array:
    """A shape's corners (n, 2) as x and y, within the picture."""
    radius = random.uniform(*_RADII)
    x, y = random.uniform(radius, SIZE - radius, 2)
    corners = _CORNERS.get(kind, 32)
    angles = random.uniform(0, 2 * np.pi) + np.arange(corners) * 2 * np.pi / corners
    return np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=-1)


def _apart(random: np.random.Generator, ground: Array) -> Array:
    """A color that can be told from the ground's."""
    while True:
        color = random.integers(0, 256, 3)
        if np.abs(color - ground).max() > 48:
            return np.asarray(color)


def _color(values: Array) -> tuple[int, int, int]:
    red, green, blue = map(int, values)
    return red, green, blue
