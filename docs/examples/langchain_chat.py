"""LangChain on this machine: an answer, a stream, data in a shape, and a chain.

pip install langchain-ollama
localai pull qwen3:8b && localai pull gemma3:12b
python langchain_chat.py
"""

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_ollama import ChatOllama
from pydantic import BaseModel

# At most so many tokens an answer: a small model may not stop by itself.
qwen = ChatOllama(model="qwen3:8b", temperature=0, num_predict=64)
gemma = ChatOllama(model="gemma3:12b", temperature=0, num_predict=64)

# An answer.
print("answer:", qwen.invoke("What is the capital of France?").text)

# A stream: each piece as it comes.
print("stream:", end=" ")
for piece in gemma.stream("What is the capital of France?"):
    print(piece.text, end="", flush=True)
print()


# Data in a shape: the model cannot but keep to the schema.
class City(BaseModel):
    name: str
    country: str


city = qwen.with_structured_output(City, method="json_schema").invoke("The capital of France?")
assert isinstance(city, City)
print("shape:", city.model_dump_json())

# A chain: a prompt with a gap, a model, plain text.
prompt = ChatPromptTemplate.from_messages(
    [("system", "You are a helpful assistant."), ("user", "What is the capital of {country}?")]
)
chain = prompt | gemma | StrOutputParser()
print("chain:", chain.invoke({"country": "Italy"}))
