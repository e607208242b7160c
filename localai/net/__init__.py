"""Connections over Unix sockets and TCP, their errors, and how far away an address is."""
