"""llama.cpp, the embedded engine: its process, its log, its slots, its KV states on disk."""
