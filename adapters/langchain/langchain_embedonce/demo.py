"""LangChain in `embedonce demo`: the embedder of the demo has LangChain's methods."""

from embedonce.hookspecs import Demo

DEMO = Demo(
    framework="LangChain",
    package="langchain_core",
    requirement="embedonce[langchain]",
    model=lambda embedder: embedder,
    embed=lambda cached, texts: cached.embed_documents(texts),
)
