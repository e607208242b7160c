"""Separating reasoning from the answer, for engines that send both as one text."""
