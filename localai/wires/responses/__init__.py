"""The Responses format of OpenAI: no I/O.

`client` writes requests and reads answers; `server` reads requests and writes answers.
"""
