"""Connections over Unix sockets and TCP: whether a server may be reached, errors, framing, retries.

The zone of an address is the subject of `privacy.zones`.
"""
