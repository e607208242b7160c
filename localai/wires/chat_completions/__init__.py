"""The Chat Completions format of OpenAI, which every compatible server speaks: no I/O.

`client` writes requests and reads answers; `server` reads requests and writes answers.
"""
