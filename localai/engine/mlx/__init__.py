"""The worker of MLX: the same kind of process as llama.cpp's, with mlx-lm."""
