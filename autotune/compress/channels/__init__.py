"""Channels of a Keras model: which belong together, which do nothing, which may go, and the model without them."""
