#!/bin/sh
# What changed in this repository since yesterday, in one sentence: sh pipeline.sh
# Without changes nothing is asked.
set -eu
model=${MODEL:-qwen3:8b}

changes=$(git log --since=yesterday --oneline)
[ -n "$changes" ] || exit 0
printf '%s\n' "$changes" |
  localai chat -m "$model" --max-tokens 64 "Say in one sentence what changed."
