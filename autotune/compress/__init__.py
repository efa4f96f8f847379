"""From a model to a file: content-addressed stages, each a pure function of its inputs.

TensorFlow is imported inside the functions that run in a worker, never at a module's top:
the driver imports this package to know the stages' keys, and stays small.
"""
