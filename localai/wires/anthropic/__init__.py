"""The Messages format of Anthropic: no I/O.

`client` writes requests and reads answers; `server` reads requests and writes answers.
"""
