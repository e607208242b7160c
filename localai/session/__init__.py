"""The session on a terminal: `localai chat` without a prompt.

`loop` reads and answers; `slash_commands` is the table of the commands that begin with a slash. The
prompt is prompt_toolkit's, which only `terminal_reader`, `completion` and `picker` import.
"""
