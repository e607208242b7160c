"""Chatting: what to ask whom, what is remembered of it, where it goes."""
