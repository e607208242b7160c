"""A JSON schema as what holds an answer to it can take it."""
