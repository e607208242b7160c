"""The stores on this machine that hold models: ours, Ollama's, LM Studio's, the hub's cache."""
