"""The engines, llama.cpp and MLX: each computes in a worker, a process that the next command finds
again."""
