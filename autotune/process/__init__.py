"""This process as others see it: signals, and variables of its environment."""
