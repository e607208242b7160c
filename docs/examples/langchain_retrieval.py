"""LangChain on this machine: questions about your own files, with nothing sent anywhere.

The texts are cut into passages, an embedding model turns each into a vector, and the passages
nearest to the question go to the model with it. The vectors stay in memory.

pip install langchain-ollama numpy
localai pull qwen3:8b && localai pull nomic-embed-text
python langchain_retrieval.py "When does the archive open?" notes/*.md
"""

import sys
from pathlib import Path

from langchain_core.documents import Document
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_ollama import ChatOllama, OllamaEmbeddings

PASSAGES = 2

question, *files = sys.argv[1:]
passages = [
    Document(paragraph.strip(), metadata={"file": file})
    for file in files
    for paragraph in Path(file).read_text(encoding="utf-8").split("\n\n")
    if paragraph.strip()
]

store = InMemoryVectorStore(OllamaEmbeddings(model="nomic-embed-text"))
store.add_documents(passages)
found = store.similarity_search(question, k=PASSAGES)
for passage in found:
    print("passage:", passage.metadata["file"], "·", passage.page_content.replace("\n", " "))

prompt = ChatPromptTemplate.from_messages(
    [
        ("system", "Answer from these passages alone, and say so if they do not tell:\n{passages}"),
        ("user", "{question}"),
    ]
)
qwen = ChatOllama(model="qwen3:8b", temperature=0, num_predict=256, reasoning=False)
context = "\n\n".join(passage.page_content for passage in found)
print("answer:", (prompt | qwen).invoke({"passages": context, "question": question}).text)
