"""Small networks of the zoo, each of a kind that is tuned; most are written once for Keras 3 and tf_keras."""

from typing import Any

import numpy as np

Keras = Any
"""Keras 3 or tf_keras, as a module."""
Model = Any
"""Of either."""

VOCABULARY = 50
"""Inputs of whole numbers are below it."""


def separable(k: Keras) -> Model:
    layers = k.layers
    return k.Sequential(
        [
            k.Input((16, 16, 3)),
            layers.Conv2D(16, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.SeparableConv2D(24, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.DepthwiseConv2D(3, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(6.0),
            layers.Conv2D(32, 1),
            layers.SpatialDropout2D(0.1),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def activations(k: Keras) -> Model:
    layers = k.layers
    entry = x = k.Input((16, 16, 3))
    for name in ("swish", "gelu", "elu", "selu", "tanh", "sigmoid", "softplus", "hard_sigmoid", "mish", "relu6"):
        if name == "relu6" and k.__name__ == "tf_keras":
            continue
        x = layers.Conv2D(8, 3, padding="same", activation=name)(x)
    if k.__name__ == "keras":
        x = layers.Conv2D(8, 1, activation="hard_swish")(x)
        x = layers.Conv2D(8, 1, activation="silu")(x)
        x = layers.Conv2D(8, 1, activation="leaky_relu")(x)
    x = layers.PReLU(shared_axes=[1, 2])(layers.Conv2D(8, 3)(x))
    x = layers.LeakyReLU()(layers.Conv2D(8, 3)(x))
    x = layers.ELU()(layers.Conv2D(8, 3)(x))
    x = layers.Flatten()(layers.AveragePooling2D(2)(x))
    return k.Model(entry, layers.Softmax()(layers.Dense(5)(x)))


def convolutions_1d(k: Keras) -> Model:
    layers = k.layers
    entry = k.Input((64, 6))
    x = layers.Conv1D(16, 5, strides=2, activation="relu")(entry)
    x = layers.BatchNormalization()(x)
    x = layers.SpatialDropout1D(0.1)(x)
    x = layers.MaxPooling1D(2)(x)
    x = layers.SeparableConv1D(16, 3, activation="relu")(x)
    x = layers.UpSampling1D(2)(layers.ZeroPadding1D(1)(x))
    x = layers.Cropping1D(1)(layers.Conv1DTranspose(12, 3, activation="relu")(x))
    return k.Model(entry, layers.Dense(4, activation="softmax")(layers.GlobalMaxPooling1D()(x)))


def tcn(k: Keras) -> Model:
    layers = k.layers
    entry = x = k.Input((32, 4))
    for dilation in (1, 2, 4):
        y = layers.Conv1D(12, 3, dilation_rate=dilation, padding="causal", activation="relu")(x)
        y = layers.Dropout(0.1)(layers.LayerNormalization()(y))
        y = layers.Conv1D(12, 3, dilation_rate=dilation, padding="causal", activation="relu")(y)
        x = layers.Add()([layers.Conv1D(12, 1)(x), y])
    return k.Model(entry, layers.Dense(3)(x[:, -1, :] if k.__name__ == "tf_keras" else layers.Flatten()(x)))


def recurrent(k: Keras, *inner: Any) -> Model:
    return k.Sequential([k.Input((12, 6)), *inner, k.layers.Dense(4, activation="softmax")])


def embedded_text(k: Keras) -> Model:
    layers = k.layers
    entry = k.Input((16,), dtype="int32")
    x = layers.Embedding(VOCABULARY, 8, mask_zero=True)(entry)
    x = layers.Bidirectional(layers.GRU(8))(x)
    return k.Model(entry, layers.Dense(1, activation="sigmoid")(x))


def recommendation(k: Keras) -> Model:
    layers = k.layers
    user, item = k.Input((1,), dtype="int32", name="user"), k.Input((1,), dtype="int32", name="item")
    towers = []
    for tower in (user, item):
        x = layers.Flatten()(layers.Embedding(VOCABULARY, 16)(tower))
        towers.append(layers.Dense(8)(layers.Dense(16, activation="relu")(x)))
    score = layers.Dot(axes=1)(towers)
    wide = layers.Dense(1)(layers.Concatenate()(towers))
    return k.Model([user, item], layers.Activation("sigmoid", name="click")(layers.Add()([score, wide])))


def transformer(k: Keras) -> Model:
    layers = k.layers
    entry = k.Input((12,), dtype="int32")
    x = layers.Embedding(VOCABULARY, 16)(entry)
    for _ in range(2):
        y = layers.MultiHeadAttention(2, 8, dropout=0.1)(x, x)
        x = layers.LayerNormalization(epsilon=1e-6)(layers.Add()([x, y]))
        y = layers.Dense(16)(layers.Dense(32, activation="gelu")(x))
        x = layers.LayerNormalization(epsilon=1e-6)(layers.Add()([x, layers.Dropout(0.1)(y)]))
    x = layers.GlobalAveragePooling1D()(x)
    return k.Model(entry, layers.Dense(4, activation="softmax", dtype="float32")(x))


def u_net(k: Keras, *, transposed: bool) -> Model:
    layers = k.layers
    entry = k.Input((16, 16, 3))
    first = layers.Conv2D(8, 3, padding="same", activation="relu")(entry)
    second = layers.Conv2D(16, 3, padding="same", activation="relu")(layers.MaxPooling2D()(first))
    x = layers.Conv2D(24, 3, padding="same", activation="relu")(layers.MaxPooling2D()(second))
    for skip, filters in ((second, 16), (first, 8)):
        if transposed:
            x = layers.Conv2DTranspose(filters, 2, strides=2, activation="relu")(x)
        else:
            x = layers.UpSampling2D(interpolation="bilinear" if filters == 16 else "nearest")(x)
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(layers.Concatenate()([x, skip]))
    return k.Model(entry, layers.Conv2D(3, 1, activation="softmax")(x))


def image_and_features(k: Keras) -> Model:
    layers = k.layers
    image, features = k.Input((16, 16, 3), name="image"), k.Input((5,), name="features")
    x = layers.Conv2D(16, 3, strides=2, activation="relu")(image)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(16, 3, activation="relu")(x))
    x = layers.Concatenate()([x, layers.Dense(8, activation="relu")(features)])
    x = layers.Dense(24, activation="relu")(x)
    label = layers.Dense(4, activation="softmax", name="label")(x)
    return k.Model([image, features], [label, layers.Dense(4, name="box")(x)])


def grouped(k: Keras) -> Model:
    layers = k.layers
    entry = k.Input((16, 16, 3))
    x = layers.Conv2D(16, 3, activation="relu")(entry)
    x = layers.Conv2D(16, 3, groups=4, activation="relu")(x)
    x = layers.Conv2D(24, 1, activation="relu")(x)
    return k.Model(entry, layers.Dense(4, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def squeeze(k: Keras) -> Model:
    layers = k.layers
    entry = k.Input((16, 16, 3))
    x = layers.Activation("swish")(layers.BatchNormalization()(layers.Conv2D(16, 3, padding="same")(entry)))
    for _ in range(2):
        y = layers.Conv2D(32, 1, use_bias=False)(x)
        y = layers.Activation("swish")(layers.BatchNormalization()(y))
        y = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(y)
        y = layers.Activation("swish")(layers.BatchNormalization()(y))
        s = layers.GlobalAveragePooling2D(keepdims=True)(y)
        s = layers.Conv2D(32, 1, activation="sigmoid")(layers.Conv2D(8, 1, activation="swish")(s))
        y = layers.Multiply()([y, s])
        x = layers.Add()([x, layers.BatchNormalization()(layers.Conv2D(16, 1, use_bias=False)(y))])
    x = layers.GlobalAveragePooling2D()(x)
    return k.Model(entry, layers.Dense(10, activation="softmax", dtype="float32")(x))


def nested(k: Keras) -> Model:
    layers = k.layers
    inner = k.Sequential(
        [k.Input((16, 16, 3)), layers.Conv2D(12, 3), layers.BatchNormalization(), layers.ReLU()], name="backbone"
    )
    entry = k.Input((6, 6, 12))
    head = k.Model(entry, layers.Dense(4)(layers.GlobalAveragePooling2D()(layers.Conv2D(16, 3)(entry))), name="head")
    image = k.Input((16, 16, 3))
    return k.Model(image, head(layers.Resizing(6, 6)(inner(image))))


def shared(k: Keras) -> Model:
    layers = k.layers
    left, right = k.Input((16,), name="left"), k.Input((16,), name="right")
    tower = k.Sequential([k.Input((16,)), layers.Dense(24, activation="relu"), layers.Dense(12)])
    a, b = tower(left), tower(right)
    dense = layers.Dense(12, activation="tanh")
    x = layers.Subtract()([dense(a), dense(b)])
    return k.Model([left, right], layers.Dense(1, activation="sigmoid")(layers.Multiply()([x, x])))


def preprocessing(k: Keras) -> Model:
    layers = k.layers
    normal = layers.Normalization(mean=[0.4, 0.5, 0.6], variance=[0.1, 0.2, 0.3])
    return k.Sequential(
        [
            k.Input((20, 20, 3)),
            layers.Resizing(16, 16),
            layers.Rescaling(1 / 255),
            normal,
            layers.RandomFlip("horizontal"),
            layers.Conv2D(16, 3, activation="relu"),
            layers.GlobalMaxPooling2D(),
            layers.Dense(4, activation="softmax"),
        ]
    )


def shapes(k: Keras) -> Model:
    layers = k.layers
    entry = k.Input((8, 8, 4))
    x = layers.ZeroPadding2D(((1, 0), (2, 1)))(entry)
    x = layers.Conv2D(8, 3, activation="relu")(layers.Cropping2D(((0, 1), (1, 1)))(x))
    x = layers.Permute((2, 1, 3))(x)
    x = layers.Reshape((-1, 8))(x)
    x = layers.Average()([x, layers.Maximum()([layers.Dense(8)(x), layers.Dense(8)(x)])])
    x = layers.Flatten()(layers.GlobalAveragePooling1D(keepdims=True)(x))
    x = layers.RepeatVector(3)(layers.Dense(6, activation="relu")(x))
    x = layers.TimeDistributed(layers.Dense(5, activation="relu"))(x)
    return k.Model(entry, layers.Dense(2)(layers.Flatten()(layers.Minimum()([x, layers.Activation("tanh")(x)]))))


def batch_of_one(k: Keras) -> Model:
    layers = k.layers
    batch = {"batch_shape": (1, 16, 16, 3)} if k.__name__ == "keras" else {"shape": (16, 16, 3), "batch_size": 1}
    entry = k.Input(**batch)
    x = layers.Conv2D(16, 3, strides=2, activation="relu")(entry)
    return k.Model(entry, layers.Dense(4, activation="softmax")(layers.Flatten()(x)))


def convnext_like(k: Keras) -> Model:
    layers = k.layers
    entry = k.Input((16, 16, 3))
    x = layers.LayerNormalization(epsilon=1e-6)(layers.Conv2D(16, 4, strides=4)(entry))
    for _ in range(2):
        y = layers.LayerNormalization(epsilon=1e-6)(layers.DepthwiseConv2D(3, padding="same")(x))
        y = layers.Dense(16)(layers.Dense(48, activation="gelu")(y))
        x = layers.Add()([x, y])
    x = layers.LayerNormalization(epsilon=1e-6)(layers.GlobalAveragePooling2D()(x))
    return k.Model(entry, layers.Dense(4, activation="softmax")(x))


def operations(k: Keras) -> Model:
    ops, layers = k.ops, k.layers
    entry = k.Input((8, 8, 4))
    x = layers.Conv2D(8, 3, activation="relu")(entry / 2.0)
    x = ops.add(x, layers.Conv2D(8, 1)(x))
    x = ops.multiply(x, ops.sigmoid(layers.Conv2D(8, 1)(x)))
    x = ops.concatenate([x, ops.gelu(x)], axis=-1)
    x = ops.reshape(x, (-1, 36, 16))
    x = layers.Dense(8)(ops.transpose(x, (0, 2, 1)))
    x = x[:, :4, :]
    x = ops.mean(x, axis=1)
    return k.Model(entry, ops.softmax(layers.Dense(4)(ops.relu6(layers.Dense(8)(x)))))


def normalisations(k: Keras) -> Model:
    layers = k.layers
    entry = k.Input((8, 8, 4))
    x = layers.GroupNormalization(4)(layers.Conv2D(16, 3)(entry))
    x = layers.LayerNormalization(axis=[1, 2, 3], center=False)(layers.Conv2D(16, 3, activation="relu")(x))
    x = layers.UnitNormalization()(layers.GlobalAveragePooling2D()(x))
    x = layers.RMSNormalization()(layers.Dense(8)(x))
    return k.Model(entry, layers.Dense(4, activation="softmax")(x))


def tensor_operations(k: Keras) -> Model:
    import tensorflow as tf

    layers = k.layers
    entry = k.Input((8, 8, 4))
    x = layers.Conv2D(8, 3, activation="relu")(entry / 2.0)
    x = x + layers.Conv2D(8, 1)(x)
    x = tf.nn.relu6(x) * tf.sigmoid(layers.Conv2D(8, 1)(x))
    x = tf.reshape(tf.concat([x, x], -1), (-1, 36, 16))
    x = tf.reduce_mean(layers.Dense(8)(x)[:, :4, :], axis=1)
    return k.Model(entry, tf.nn.softmax(layers.Dense(4)(x)))


def subclassed(k: Keras) -> Model:
    class Classifier(k.Model):  # type: ignore[misc]  # neither library has types
        def __init__(self) -> None:
            super().__init__()
            self.first = k.layers.Conv2D(12, 3, activation="relu")
            self.second = k.layers.Conv2D(16, 3, activation="relu")
            self.pool = k.layers.GlobalAveragePooling2D()
            self.last = k.layers.Dense(4, activation="softmax")

        def call(self, x: Any) -> Any:
            return self.last(self.pool(self.second(self.first(x))))

    model = Classifier()
    model(np.zeros((1, 12, 12, 3), np.float32))
    return model
