"""Chatting: which model to ask and how, what is stored of a conversation, where a prompt goes."""
