"""What is known of LangChain's embedders; see `embedonce.identification`."""

from embedonce.identification import Describer
from langchain_embedonce.providers import ROWS

describer = Describer(
    ROWS,
    wrappers={
        ("langchain_classic", "CacheBackedEmbeddings"): "underlying_embeddings",
        ("langchain", "CacheBackedEmbeddings"): "underlying_embeddings",
    },
    bases=("langchain_core",),
)
