"""Makes a speech-like task's data and model: speech.npz and speech.keras, beside this file.

    python experiments/speech/train.py

Words of a made-up language are "spoken": each letter is a chord of two gliding tones, held as long as it happens to
be, in a voice of its own height, with noise, and a pause is the space between words. A small network of dilated
convolutions (S. Bai et al., 2018) gives for each second frame which token it hears, or none; it is trained by CTC
(A. Graves et al., 2006). Nothing is downloaded.
"""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from experiments.splits import Array, made

HERE = Path(__file__).parent

LETTERS = 12
SPACE, BLANK = LETTERS, LETTERS + 1
"""The tokens behind the letters."""
WORDS, LENGTHS = (1, 3), (2, 4)
"""The fewest and most words of a sample, and letters of a word."""
MOST = WORDS[1] * (LENGTHS[1] + 1) - 1
"""Tokens of a sample."""
FRAMES, BANDS = 104, 40
SEEN = 10_000
"""Samples that the model is trained on; the file has the first of them."""


def main() -> None:
    """Speaks, trains, saves, and prints what the model scores."""
    random = np.random.default_rng(0)
    tones = letters(random)
    splits = made(HERE / "speech.npz", lambda count: spoken(random, tones, count), SEEN)

    keras.utils.set_random_seed(0)
    model = network()
    train, test = splits["train"], splits["test"]
    epochs, batch = 8, 32
    rate = keras.optimizers.schedules.CosineDecay(4e-3, epochs * len(train["x"]) // batch)
    model.compile(keras.optimizers.Adam(rate), ctc)
    model.fit(train["x"], train["y"], batch_size=batch, epochs=epochs, verbose=2)
    model.compile()  # without a loss of this file's own, which nothing else could open
    model.save(HERE / "speech.keras")
    heard = [collapsed(row) for row in model.predict(test["x"], verbose=0).argmax(axis=-1)]
    said = [row[row >= 0].tolist() for row in test["y"]]
    tokens = error_rate(heard, said)
    words = error_rate([split(each) for each in heard], [split(each) for each in said])
    print(f"{model.count_params()} parameters, error rate on x_test of tokens {tokens:.3f}, of words {words:.3f}")


def letters(random: np.random.Generator) -> Array:
    """Of each letter the bands of two tones where it begins and where it ends; (LETTERS, 2, 2)."""
    begin = np.stack([random.uniform(4, 18, LETTERS), random.uniform(20, 36, LETTERS)], axis=-1)
    return np.stack([begin, begin + random.uniform(-4, 4, begin.shape)], axis=1)


def spoken(random: np.random.Generator, tones: Array, count: int) -> dict[str, Array]:
    """Some words each, with their sounds.

    Returns:
        "x" (count, FRAMES, BANDS), float16; "y" (count, MOST), int32 tokens, -1 behind the last.
    """
    sounds = np.zeros((count, FRAMES, BANDS))
    texts = np.full((count, MOST), -1, np.int32)
    for sample in range(count):
        text = _text(random)
        texts[sample, : len(text)] = text
        height, frame = random.normal(0, 1.0), int(random.integers(1, 5))
        for token in text:
            held = int(random.integers(3, 7))
            if token != SPACE:
                loudness = random.uniform(0.6, 1.2)
                sounds[sample, frame : frame + held] = loudness * _sound(tones[token] + height, held)
            frame += held + 1
    blurred = (np.roll(sounds, 1, axis=1) + 2 * sounds + np.roll(sounds, -1, axis=1)) / 4
    noise = random.normal(0, 0.28, sounds.shape)
    return {"x": (blurred + noise).astype(np.float16), "y": texts}


def _text(random: np.random.Generator) -> list[int]:
    """Words with spaces between them."""
    lengths = random.integers(LENGTHS[0], LENGTHS[1] + 1, random.integers(WORDS[0], WORDS[1] + 1))
    text = [token for length in lengths for token in (*random.integers(0, LETTERS, length), SPACE)]
    return [int(token) for token in text[:-1]]


def _sound(tones: Array, frames: int) -> Array:
    """A letter's loudness in each band (frames, BANDS)."""
    share = np.linspace(0, 1, frames)[:, np.newaxis]
    gliding = (1 - share) * tones[0] + share * tones[1]
    return np.asarray(np.exp(-(((np.arange(BANDS) - gliding[..., np.newaxis]) / 1.5) ** 2)).sum(axis=1))


def network() -> keras.Model:
    """Convolutions along time: the first halves the frames, the others reach ever further."""
    inputs = keras.Input((FRAMES, BANDS), name="features")
    x = block(inputs, 5, strides=2)
    for dilation in (1, 2, 4):
        x = keras.layers.Add()([x, block(x, 3, dilation=dilation)])
    return keras.Model(inputs, keras.layers.Dense(BLANK + 1, name="tokens")(x), name="speech")


def block(x: keras.KerasTensor, width: int, strides: int = 1, dilation: int = 1) -> keras.KerasTensor:
    """Convolution, normalisation, rectifier."""
    x = keras.layers.Conv1D(48, width, strides, padding="same", dilation_rate=dilation, use_bias=False)(x)
    return keras.layers.ReLU()(keras.layers.BatchNormalization()(x))


def ctc(texts: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
    """The negative logarithm of the likelihood of texts, whatever frames their tokens are in."""
    texts = keras.ops.cast(texts, "int32")
    lengths = keras.ops.sum(keras.ops.cast(texts >= 0, "int32"), axis=1)
    frames = keras.ops.full_like(lengths, logits.shape[1])
    return keras.ops.ctc_loss(keras.ops.maximum(texts, 0), logits, lengths, frames, mask_index=BLANK)


def collapsed(decided: Array) -> list[int]:
    """The tokens of each frame's likeliest output: equal ones in a row are one, blanks are none."""
    changed = np.concatenate([[True], decided[1:] != decided[:-1]])
    return [int(token) for token in decided[changed] if token != BLANK]


def split(text: Sequence[int]) -> list[tuple[int, ...]]:
    """The words of a text."""
    words: list[tuple[int, ...]] = [()]
    for token in text:
        if token == SPACE:
            words.append(())
        else:
            words[-1] = (*words[-1], token)
    return [word for word in words if word]


def error_rate(heard: Sequence[Sequence[object]], said: Sequence[Sequence[object]]) -> float:
    """The edits of all texts together, for each token or word that was said."""
    edits = sum(distance(left, right) for left, right in zip(heard, said, strict=True))
    return edits / sum(map(len, said))


def distance(left: Sequence[object], right: Sequence[object]) -> int:
    """Insertions, deletions and replacements from one sequence to the other (V. Levenshtein)."""
    row = list(range(len(right) + 1))
    for done, token in enumerate(left, 1):
        before, row[0] = row[0], done
        for place, other in enumerate(right, 1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (token != other))
    return row[-1]


if __name__ == "__main__":
    main()
