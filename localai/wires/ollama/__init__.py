"""Ollama's native format: no I/O.

`client` writes requests and reads answers; `server` reads requests and writes answers.
"""
