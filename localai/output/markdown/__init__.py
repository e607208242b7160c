"""Markdown on a terminal, drawn while it streams."""
