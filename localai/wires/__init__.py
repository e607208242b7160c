"""The formats of requests to servers and of their answers, as pure translation, no I/O."""
