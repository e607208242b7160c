"""Prompts by the thousand: lines in, answers out, nothing computed twice and nothing lost."""
