"""Model file formats: GGUF files and MLX folders, read, described and written."""
