"""Reads .tflite files. No TensorFlow."""
