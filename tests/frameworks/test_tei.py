"""One server of text-embeddings-inference through the classes of all frameworks: it sees each text once."""

from __future__ import annotations

import itertools

import pytest
from haystack_framework import Haystack, Pair
from langchain_framework import LangChain
from lazily import lazily
from llamaindex_framework import LlamaIndex
from variants import over

import embedonce
from embedonce.errors import IdentityError
from embedonce.testing.suites.adapters import WAYS, Api

openai_service = lazily("openai_service")
hf = lazily("huggingface_hub")
lc = lazily("langchain_huggingface")
li = lazily("llama_index.embeddings.text_embeddings_inference")

TEXTS = ["one text", "Straße, 東京"]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class LangChainTEI(LangChain):
    def tei(self, url, *, other_url=None):
        embedder = lc.HuggingFaceEndpointEmbeddings(model="BAAI/bge-m3", model_kwargs={"truncate": True})
        # The class takes no URL.
        embedder.client = hf.InferenceClient(f"{url}/embed")
        embedder.async_client = hf.AsyncInferenceClient(f"{other_url or url}/embed")
        return embedder


class LlamaIndexTEI(LlamaIndex):
    def tei(self, url):
        return li.TextEmbeddingsInference(model_name="BAAI/bge-m3", base_url=url)


class HaystackTEI(Haystack):
    def tei(self, url):
        package = "haystack_integrations.components.embedders.huggingface_api"
        module = pytest.importorskip(package, reason="needs Python 3.11")
        settings = {
            "api_type": "text_embeddings_inference",
            "api_params": {"url": f"{url}/embed"},
            "truncate": True,
            "normalize": None,
        }
        documents = module.HuggingFaceAPIDocumentEmbedder(progress_bar=False, **settings)
        return Pair(documents, module.HuggingFaceAPITextEmbedder(**settings))


FRAMEWORKS = LANGCHAIN, *_ = (LangChainTEI(), LlamaIndexTEI(), HaystackTEI())


@over(order=list(itertools.permutations(FRAMEWORKS)), way=WAYS)
def test_each_text_is_paid_once_through_any_framework(order, way, service):
    with openai_service.serving(service) as url:
        store, root = embedonce.MemoryStore(), url.removesuffix("/v1")
        service.requests.clear()
        expected = [service.vector("m", text, None).tolist() for text in TEXTS]
        for framework in order:
            api, cached = Api(framework, way), framework.wrap(framework.tei(root), store)
            assert api.documents(cached, TEXTS) == expected
            assert api.query(cached, TEXTS[0]) == expected[0]
        assert sorted(service.texts) == sorted(TEXTS)


def test_clients_with_urls_of_their_own_are_refused(place):
    with pytest.raises(IdentityError, match="use different models or URLs"):
        LANGCHAIN.wrap(LANGCHAIN.tei("http://one:8080", other_url="http://two:8080"), place)
