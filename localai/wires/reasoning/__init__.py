"""Thinking told apart from the answer where an engine sends both as one text."""
