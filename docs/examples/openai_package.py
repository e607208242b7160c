"""OpenAI's package against a server on this machine: no key is checked, nothing leaves.

pip install openai
python openai_package.py
"""

import os

from openai import OpenAI

host = os.environ.get("OLLAMA_HOST", "127.0.0.1:11434")
client = OpenAI(base_url=f"http://{host}/v1", api_key="nobody looks at it")

answer = client.chat.completions.create(
    model="qwen3:8b",
    messages=[{"role": "user", "content": "What is the capital of France?"}],
    temperature=0,
    max_tokens=64,
)
print("answer:", answer.choices[0].message.content)

stream = client.chat.completions.create(
    model="gemma3:12b",
    messages=[{"role": "user", "content": "What is the capital of France?"}],
    temperature=0,
    max_tokens=64,
    stream=True,
)
print("stream:", end=" ")
for piece in stream:
    print(piece.choices[0].delta.content or "", end="", flush=True)
print()
