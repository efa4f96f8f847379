"""Phones, over adb, with TensorFlow Lite's own benchmark_model."""
