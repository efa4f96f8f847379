"""Weights rounded together, so that each layer's outputs stay: GPTQ on float .tflite files, from unlabelled samples."""
