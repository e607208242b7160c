"""LangChain on this machine: a model that calls a function of yours, and answers with its result.

pip install langchain-ollama
localai pull qwen3:8b
python langchain_tools.py
"""

from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_ollama import ChatOllama

POPULATIONS = {"Paris": 2_100_000, "Rome": 2_750_000}


@tool
def population(city: str) -> str:
    """How many people live in a city."""
    known = POPULATIONS.get(city)
    return f"nothing is known of {city}" if known is None else f"{known:,} people live in {city}"


# The model is told what the tool does and takes; whether it calls it is its choice.
qwen = ChatOllama(model="qwen3:8b", temperature=0, num_predict=256, reasoning=False)
with_tools = qwen.bind_tools([population])

messages = [HumanMessage("How many people live in Paris?")]
asked = with_tools.invoke(messages)
messages.append(asked)
for call in asked.tool_calls:
    # Nothing runs by itself: the call is data, and this line carries it out.
    result = population.invoke(call)
    print("tool:", f"{call['name']}({call['args']}) = {result.content}")
    messages.append(result)

print("answer:", with_tools.invoke(messages).text if asked.tool_calls else asked.text)
