"""The embedded engine: a worker process that holds a model, found again by the next command."""
