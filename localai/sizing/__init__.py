"""The memory and the speed of a model on a machine."""
