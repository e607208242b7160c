"""The embedded engine that is llama.cpp: its process, its log, its slots, its KV states on disk."""
