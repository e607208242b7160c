"""Ollama's own package: an answer, a stream, and data in a shape.

pip install ollama
python ollama_package.py
"""

import json

import ollama

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
OPTIONS = {"temperature": 0, "num_predict": 64}

answer = ollama.chat("qwen3:8b", QUESTION, options=OPTIONS)
print("answer:", answer.message.content)

print("stream:", end=" ")
for piece in ollama.chat("gemma3:12b", QUESTION, options=OPTIONS, stream=True):
    print(piece.message.content, end="", flush=True)
print()

schema = {
    "type": "object",
    "properties": {"capital": {"type": "string"}},
    "required": ["capital"],
}
shaped = ollama.chat("qwen3:8b", QUESTION, options=OPTIONS, format=schema)
print("shape:", json.loads(shaped.message.content or "{}"))
