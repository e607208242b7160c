#!/bin/sh
# Ollama's API by hand: sh curl.sh
set -eu
host=${OLLAMA_HOST:-127.0.0.1:11434}

curl --silent --fail --noproxy '*' "http://$host/api/chat" --data '{
  "model": "qwen3:8b",
  "messages": [{"role": "user", "content": "What is the capital of France?"}],
  "options": {"temperature": 0, "num_predict": 64},
  "stream": false
}'
echo
