"""Anthropic's package against a server on this machine: no key is checked, nothing leaves.

pip install anthropic
python anthropic_package.py
"""

import os

from anthropic import Anthropic

host = os.environ.get("OLLAMA_HOST", "127.0.0.1:11434")
client = Anthropic(base_url=f"http://{host}", api_key="nobody looks at it")

with client.messages.stream(
    model="qwen3:8b",
    messages=[{"role": "user", "content": "What is the capital of France?"}],
    extra_body={"temperature": 0},  # the package itself has no name for it any more
    max_tokens=64,
) as stream:
    print("stream:", end=" ")
    for text in stream.text_stream:
        print(text, end="", flush=True)
print()
