"""Makes a question-answering task's data and model: encoder.npz and encoder.keras, beside this file.

    python experiments/encoder/train.py

A small encoder of BERT's kind (J. Devlin et al., 2019) reads a question and a text, and says where in the text the
answer starts and ends. The question is a pair of words: the answer goes from the first one to the second one, where
they are nearest to each other; both may stand elsewhere in the text, too. In some questions a word is wrong, so that
nobody answers all. Nothing is downloaded.
"""

from pathlib import Path

import keras
import numpy as np

from experiments.splits import Array, made

HERE = Path(__file__).parent

LENGTH = 32
PADDING, START, BREAK, FIRST_WORD, VOCABULARY = 0, 1, 2, 3, 32
QUESTION = 4
"""How many positions START, the question and BREAK take."""
NEAR = 4
"""Words from the first to the second of the answer, at most; elsewhere the two are further apart."""
WIDTH, HEADS = 48, 4
WRONG = 0.2
"""The share of questions with a wrong word."""
SEEN = 15_000
"""Samples that the model is trained on; the file has the first of them."""


def main() -> None:
    """Writes, trains, saves, and prints what the model scores."""
    random = np.random.default_rng(0)
    splits = made(HERE / "encoder.npz", lambda count: written(random, count), SEEN)
    train, test = splits["train"], splits["test"]

    keras.utils.set_random_seed(0)
    model = network()
    epochs, batch = 8, 64
    rate = keras.optimizers.schedules.CosineDecay(0.0, epochs * SEEN // batch, warmup_target=3e-3, warmup_steps=200)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), {"start": loss, "end": loss})
    model.fit(parts(train, "x"), parts(train, "y"), batch_size=batch, epochs=epochs, verbose=2)
    model.save(HERE / "encoder.keras")
    outputs = model.predict(parts(test, "x"), verbose=0)
    hits = {name: outputs[name].argmax(axis=-1) == test[f"y:{name}"] for name in ("start", "end")}
    print(f"{model.count_params()} parameters, share of x_test with the right start {hits['start'].mean():.3f}", end="")
    print(f", end {hits['end'].mean():.3f}, both {(hits['start'] & hits['end']).mean():.3f}")


def written(random: np.random.Generator, count: int) -> dict[str, Array]:
    """Questions with texts.

    Returns:
        "x:ids", "x:mask" and "x:segments" (count, LENGTH), int32; "y:start" and "y:end" (count,), int32: positions.
    """
    ids, segments = np.full((count, LENGTH), PADDING, np.int32), np.zeros((count, LENGTH), np.int32)
    starts, ends = np.zeros(count, np.int32), np.zeros(count, np.int32)
    for sample in range(count):
        words = FIRST_WORD + random.permutation(VOCABULARY - FIRST_WORD)
        text = random.choice(words[2:], random.integers(18, LENGTH - QUESTION))
        start = int(random.integers(len(text) - NEAR))
        end = start + int(random.integers(1, NEAR + 1))
        text[start], text[end] = words[:2]
        for word in random.choice(words[:2], random.integers(0, 5)):
            place = int(random.integers(len(text)))
            if text[place] not in words[:2] and alone(text, place, word, words):
                text[place] = word
        if random.random() < WRONG:
            words[random.integers(2)] = random.choice(words[2:])
        whole = [START, *words[:2], BREAK, *text, BREAK]
        ids[sample, : len(whole)] = whole
        segments[sample, QUESTION : len(whole)] = 1
        starts[sample], ends[sample] = QUESTION + start, QUESTION + end
    mask = (ids != PADDING).astype(np.int32)
    return {"x:ids": ids, "x:mask": mask, "x:segments": segments, "y:start": starts, "y:end": ends}


def alone(text: Array, place: int, word: int, words: Array) -> bool:
    """Whether a word of the question can stand here, and be no start or end of an answer that is as near."""
    after, before = text[place + 1 : place + 2 + NEAR], text[max(0, place - 1 - NEAR) : place]
    return words[1] not in after if word == words[0] else words[0] not in before


def parts(split: dict[str, Array], kind: str) -> dict[str, Array]:
    """A split's inputs ("x") or labels ("y") by their names alone."""
    return {key.partition(":")[2]: values for key, values in split.items() if key.startswith(f"{kind}:")}


def network() -> keras.Model:
    """Embeddings of words, segments and positions; two layers of attention; a number for each position, twice."""
    inputs = {name: keras.Input((LENGTH,), dtype="int32", name=name) for name in ("ids", "mask", "segments")}
    words = keras.layers.Embedding(VOCABULARY, WIDTH)(inputs["ids"])
    segments = keras.layers.Embedding(2, WIDTH)(inputs["segments"])
    x = keras.layers.Add()([words, segments])
    x = keras.layers.Rescaling(1.0, positions().tolist())(x)  # a constant is added
    x = keras.layers.LayerNormalization()(x)
    mask = keras.layers.Reshape((1, LENGTH))(inputs["mask"])
    for _ in range(2):
        attended = keras.layers.MultiHeadAttention(HEADS, WIDTH // HEADS)(x, x, attention_mask=mask)
        x = keras.layers.LayerNormalization()(keras.layers.Add()([x, attended]))
        wide = keras.layers.Dense(2 * WIDTH, activation="gelu")(x)
        x = keras.layers.LayerNormalization()(keras.layers.Add()([x, keras.layers.Dense(WIDTH)(wide)]))
    outputs = {name: keras.layers.Reshape((LENGTH,), name=name)(keras.layers.Dense(1)(x)) for name in ("start", "end")}
    return keras.Model(inputs, outputs, name="encoder")


def positions() -> Array:
    """Sines and cosines of each position (LENGTH, WIDTH), as of A. Vaswani et al., 2017, section 3.5; small."""
    rates = 10_000.0 ** (-np.arange(WIDTH // 2) / (WIDTH // 2))
    angles = np.arange(LENGTH)[:, np.newaxis] * rates
    return np.asarray(np.round(0.1 * np.concatenate([np.sin(angles), np.cos(angles)], axis=1), 6))


if __name__ == "__main__":
    main()
