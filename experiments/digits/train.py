"""Makes the demo's data and model: digits.npz and digits.keras, beside this file.

    python experiments/digits/train.py

The data is scikit-learn's copy of the UCI optical recognition of handwritten digits (E. Alpaydin,
C. Kaynak; CC BY 4.0): 1797 images of 8 x 8, values 0 to 16. Half of it trains the model.
"""

from pathlib import Path

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HERE = Path(__file__).parent


def main() -> None:
    """Splits, trains, saves, and prints what the model scores."""
    x, y = load_digits(return_X_y=True)
    x = x.reshape(-1, 8, 8, 1).astype(np.uint8)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.5, stratify=y, random_state=0)
    np.savez_compressed(HERE / "digits.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)

    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Rescaling(1 / 16),
            *block(24),
            *block(48),
            keras.layers.MaxPooling2D(),
            *block(64),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(10, activation="softmax"),
        ],
        name="digits",
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x_train, y_train, batch_size=32, epochs=30, verbose=0)
    model.save(HERE / "digits.keras")
    print(f"{model.count_params()} parameters, accuracy on x_test {model.evaluate(x_test, y_test, verbose=0)[1]:.3f}")


def block(filters: int) -> list[keras.layers.Layer]:
    """Convolution, normalisation, rectifier."""
    return [
        keras.layers.Conv2D(filters, 3, padding="same", use_bias=False),
        keras.layers.BatchNormalization(),
        keras.layers.ReLU(),
    ]


if __name__ == "__main__":
    main()
