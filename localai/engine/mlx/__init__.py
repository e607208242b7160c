"""The MLX engine's worker: the same kind of process as the embedded engine's, over mlx-lm."""
