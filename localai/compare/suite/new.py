"""The suite that `localai compare new` writes: two cases that run, and comments about everything
else."""

from __future__ import annotations

from typing import Final

NEW_SUITE: Final = """\
# A suite: cases to ask several models, and what is expected of their answers.
#
#     localai compare --suite suite.toml -m qwen3:8b -m gemma3:12b -o run.jsonl
#
# Nothing in here is run or fetched, and no file is read but `cases`, beside this one.

name = "my prompts"
# cases = "cases.jsonl"        # more of them, a JSON object a line: {"prompt": …, "expect": …}
# system = "Answer briefly."   # for every case that has none of its own
# repeats = 3                  # ask each so many times (or -n 3)
# think = "off"                # reasoning: off, on, low, medium, high

[options]
max_tokens = 512               # the thinking counts, too; an answer that is cut is not called wrong
# temperature = 0

# [expect]                     # of every answer
# max_words = 200

# [gate]                       # else the exit code is 8; without a gate every case has to pass
# pass_rate = 0.8
# errors = 0

[[case]]
id = "capital"
prompt = "What is the capital of France? Answer with the name alone."
expect = { contains = "Paris", max_words = 10 }

[[case]]
id = "sum"
prompt = "What is 17 + 25? End with the number."
expect = { number = 42 }
# local_only = true            # never send this one to another machine

# What can be expected, each also as not_…; a list [{…}, {…}] takes a kind several times:
#   equals = "text"            contains = "text"          starts = "text"
#   any = ["a", "b"]           all = ["a", "b"]           regex = "^\\\\d+$"
#   contains = { value = "paris", ignore_case = true }
#   number = 42                number = { value = 3.14, tolerance = 0.01 }
#   choice = "B"               choice = { value = "E", of = "ABCDE" }
#   json = true                json = { has = { name = "Ada" } }
#   schema = "name:str, age:int"
#   tool_call = "weather"      tool_call = { name = "weather", arguments = { city = "Paris" } }
#   max_words = 50             similar = { to = "a text", at_least = 0.8 }
#   language = "de"            script = "latin"           refusal = false    finish = "stop"
#   max_seconds = 10           min_tokens_per_s = 20      max_cost = 0.01    zone = "device"
#   runs = { test = "assert f(2) == 4" }     # its Python code is run: only with --run-code
#   judge = "Is it polite?"    # asked a judge: --judge MODEL
"""
