"""The formats of requests to servers and of their answers: pure translation, no I/O."""
