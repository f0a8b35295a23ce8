"""Each way in which Haystack's users got a wrong vector, lost data or paid twice, shown not to happen here.

| row | what happens in Haystack |
| --- | --- |
| 5 | an endpoint from the environment, or a deployment, is in no dictionary |
| 7 | the class alone says whether a text is a query |
| 12 | caches by content ignore prefix, suffix, separator and metadata |
| 13 | packages and releases differ in what they make of one document |
| 14 | inputs of `run` change the vector |
| 16 | vectors that depend on the other texts of a call look like any others |
| 24 | ids of documents and parameters of components change between releases |
| 34 | two documents of one id get the vector of the last one |
| 35 | a vector that came in survives a call that failed |
| 39 | packages answer with integers, 32-bit and 64-bit numbers |
| 49, 50 | duplicates and calls at once are paid for each |
| 52 | usage that is replayed counts twice |
| 63 | writing a component down changes it |
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import import_module
from importlib.metadata import version
from inspect import signature

import httpx
import pytest
from haystack_later import INTEGRATIONS, real, token
from lazily import lazily
from variants import over

import embedonce

hs = lazily("haystack", "haystack.components.embedders", "haystack.utils", "haystack_support", "openai_service")

TOKEN = {"api_key": token("sk-s3cr3t-0123456789abcdef")}
AWS = {name: token("x") for name in ("aws_access_key_id", "aws_secret_access_key", "aws_region_name")}
OTHERS = [
    ("amazon_bedrock", "AmazonBedrock", {"model": "amazon.titan-embed-text-v2:0", **AWS}),
    ("cohere", "Cohere", TOKEN),
    ("fastembed", "Fastembed", {}),
    ("google_genai", "GoogleGenAI", TOKEN),
    ("huggingface_api", "HuggingFaceAPI", {"api_type": "text_embeddings_inference", "api_params": {"url": "http://x"}}),
    ("jina", "Jina", TOKEN),
    ("mistral", "Mistral", TOKEN),
    ("nvidia", "Nvidia", {"model": "nv-embed", **TOKEN}),
    ("ollama", "Ollama", {}),
    ("voyage_embedders", "Voyage", {"model": "voyage-3", **TOKEN}),
]


def theirs(wrong):
    """What the version of Haystack does that was looked at; others may do better."""
    assert wrong or version("haystack-ai") != "3.4.0"


def standing_in(inner, role="document"):
    """Let a component of any package answer without its provider: a vector for each text that would be sent."""

    def run(**inputs):
        if "text" in inputs:
            prefix, suffix = (getattr(inner, name, getattr(inner, f"_{name}", "")) for name in ("prefix", "suffix"))
            return {"embedding": hs.vector("query", f"{prefix}{inputs.pop('text')}{suffix}", inputs)}
        given = inputs.pop("documents")
        prepared = inner._prepare_texts_to_embed(given)
        texts = [prepared[document.id] for document in given] if isinstance(prepared, dict) else prepared
        pairs = zip(given, texts, strict=True)
        return {"documents": [replace(document, embedding=hs.vector(role, text, inputs)) for document, text in pairs]}

    inner.run, inner.warm_up = run, lambda: None
    return inner


def made(package, name, options, kind="Document", **further):
    if package == "haystack":
        return {"Mock": hs.MockDocumentEmbedder, "Plain": hs.Plain}[name](**options, **further)
    module = import_module("haystack.components.embedders" if package == "core" else f"{INTEGRATIONS}.{package}")
    return standing_in(getattr(module, f"{name}{kind}Embedder")(**real(options), **further))


def maker(package, name, options):
    """Return what makes a document embedder of a class, with any settings."""

    def make(**further):
        if package == "mock":
            return hs.MockDocumentEmbedder(dimension=3, **further)
        if package != "core":
            pytest.importorskip(f"{INTEGRATIONS}.{package}")
        if name == "Voyage" and "meta_fields_to_embed" in further:
            further["metadata_fields_to_embed"] = further.pop("meta_fields_to_embed")
        return made(package, name, options, **further)

    return make


AZURE = {"azure_endpoint": "https://x.test", **TOKEN}
KNOWN = [("mock", "Mock", {}), ("core", "OpenAI", TOKEN), ("core", "AzureOpenAI", AZURE), *OTHERS]
MAKERS = {each[1]: maker(*each) for each in KNOWN}


def right(make, given, **further):
    """What a component answers that is asked for each document alone."""
    inner = make(**further)
    return [hs.vectors_of(inner.run(documents=[document]))[0] for document in given]


# -- A. Identity ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["OpenAITextEmbedder", "OpenAIDocumentEmbedder"])
def test_row_05_an_endpoint_from_the_environment(place, name, monkeypatch):
    kind = getattr(hs, name)
    given = {"text": "a"} if name == "OpenAITextEmbedder" else {"documents": hs.documents("a")}
    services, seen, written = [hs.Service(), hs.Opposite()], [], []
    with hs.serving(services[0]) as first, hs.serving(services[1]) as second:
        for url in (first, second, first):
            monkeypatch.setenv("OPENAI_BASE_URL", url)
            monkeypatch.setenv("OPENAI_API_KEY", hs.SECRET)
            written.append(kind().to_dict())
            answer = embedonce.wrap(kind(), place).run(**given)
            seen.append(answer["embedding"] if "embedding" in answer else hs.vectors_of(answer)[0])
    assert seen[0] == seen[2] == [-number for number in seen[1]]
    assert [len(service.requests) for service in services] == [1, 1]
    theirs(written[0] == written[1])


def test_row_05_two_deployments(place):
    for kind in (hs.AzureOpenAITextEmbedder, hs.AzureOpenAIDocumentEmbedder):
        options = {"azure_endpoint": "https://x.test", **real(TOKEN)}
        wrapped = [embedonce.wrap(kind(azure_deployment=name, **options), place) for name in ("one", "two")]
        wrapped.append(
            embedonce.wrap(kind(azure_deployment="one", azure_endpoint="https://y.test", **real(TOKEN)), place)
        )
        assert len({each.namespace for each in wrapped}) == 3


@pytest.mark.parametrize(("package", "name", "options"), [OTHERS[7], ("amazon_bedrock", "AmazonBedrock", None)])
def test_row_07_the_class_is_the_role(place, package, name, options):
    pytest.importorskip(f"{INTEGRATIONS}.{package}")
    options = options or {"model": "cohere.embed-english-v3", **AWS}
    for _ in range(2):
        inner = [made(package, name, options, kind) for kind in ("Document", "Text")]
        assert hs.vectors_of(embedonce.wrap(inner[0], place).run(hs.documents("a"))) == [hs.vector("document", "a", {})]
        assert embedonce.wrap(inner[1], place).run("a")["embedding"] == hs.vector("query", "a", {})


@over(make=MAKERS)
def test_row_12_prefix_suffix_separator_and_metadata(place, make):
    given = [
        *hs.documents("a", "b"),
        *(hs.Document(content="a", meta=meta) for meta in ({"t": "x"}, {"t": "y"}, {"t": "x", "u": "y"}, {"v": 1})),
    ]
    settings = [{}, {"meta_fields_to_embed": ["t"]}, {"meta_fields_to_embed": ["u", "t"]}]
    settings += [{"meta_fields_to_embed": ["t", "u"], "embedding_separator": mark} for mark in ("\n", "; ")]
    if "prefix" in signature(type(make()).__init__).parameters:
        settings += [{"prefix": "a"}, {"suffix": "a"}, {"prefix": "query: ", "suffix": "!", **settings[1]}]
    for _ in range(2):
        for further in settings:
            inner = make(**further)
            calls, before = hs.watch(inner), right(make, given, **further)
            assert hs.vectors_of(embedonce.wrap(inner, place).run(given)) == before
    # Nothing was left to embed, whatever the settings.
    assert calls == []


@over(make={name: make for name, make in MAKERS.items() if name != "AzureOpenAI"})
def test_row_12_settings_of_queries(place, make):
    def query(**further):
        kind = type(make())
        if kind is hs.MockDocumentEmbedder:
            return hs.MockTextEmbedder(dimension=3, **further)
        text = getattr(import_module(kind.__module__.rpartition(".")[0]), kind.__name__.replace("Document", "Text"))
        options = next((each[2] for each in OTHERS if kind.__name__.startswith(each[1])), TOKEN)
        return standing_in(text(**real(options), **further))

    settings = [{}]
    if "prefix" in signature(type(query()).__init__).parameters:
        settings += [{"prefix": "p"}, {"suffix": "p"}, {"prefix": "p", "suffix": "p"}]
    asked = []
    for _ in range(2):
        for further in settings:
            inner = query(**further)
            wrapped = embedonce.wrap(inner, place)
            asked.append(hs.watch(inner))
            for text in ("a", "pa", "ap"):
                assert wrapped.run(text)["embedding"] == query(**further).run(text=text)["embedding"]
    # The text that reaches the model decides: "p" before "a" is "pa".
    affixes = [(further.get("prefix", ""), further.get("suffix", "")) for further in settings]
    sent = {f"{prefix}{text}{suffix}" for prefix, suffix in affixes for text in ("a", "pa", "ap")}
    assert sum(map(len, asked)) == len(sent)


def test_row_12_any_other_component_sees_all_of_a_document(place):
    inner = hs.Plain(prefix="p")
    given = [hs.Document(content="a", meta=meta) for meta in ({}, {"t": ""}, {"t": None}, {"t": "x"}, {"u": "x"})]
    for _ in range(2):
        assert hs.vectors_of(embedonce.wrap(inner, place).run(given)) == [
            hs.vector(*inner.seen(each)) for each in given
        ]
    assert inner.asked == ["a"] * 5
    assert hs.vectors_of(embedonce.wrap(hs.Plain(prefix="q"), place).run(given)) != hs.vectors_of(inner.run(given))


FALSY = [0, False, "", 0.0, None, [], "0", "False", 1, True]


@over(make=MAKERS)
def test_row_13_falsy_metadata(place, make):
    further = {"meta_fields_to_embed": ["t"]}
    given = [hs.Document(content="a", meta={"t": value}) for value in FALSY] + hs.documents("a")
    for _ in range(2):
        inner = make(**further)
        calls = hs.watch(inner)
        assert hs.vectors_of(embedonce.wrap(inner, place).run(given)) == right(make, given, **further)
    assert calls == []


@over(make=MAKERS)
def test_row_13_another_release_of_the_package(place, make, monkeypatch):
    """The settings are the same, and so is the document: only the text that is made of them differs."""
    further = {"meta_fields_to_embed": ["t"]}
    given = [hs.Document(content="a", meta={"t": 0})]
    before = hs.vectors_of(embedonce.wrap(make(**further), place).run(given))
    kind = type(make())
    name = "_prepare_text_to_embed" if kind is hs.MockDocumentEmbedder else "_prepare_texts_to_embed"
    prepare = getattr(kind, name)

    def newer(self, documents=None, **named):
        documents = documents if documents is not None else named.popitem()[1]
        bare = [replace(each, meta={}) for each in ([documents] if isinstance(documents, hs.Document) else documents)]
        return prepare(self, bare[0] if isinstance(documents, hs.Document) else bare)

    monkeypatch.setattr(kind, name, newer)
    after = right(make, given, **further)
    assert hs.vectors_of(embedonce.wrap(make(**further), place).run(given)) == after != before


def test_row_14_inputs_of_a_call(place):
    pytest.importorskip(f"{INTEGRATIONS}.ollama")
    for kind, given in (("Document", {"documents": hs.documents("a")}), ("Text", {"text": "a"})):
        inner = made("ollama", "Ollama", {}, kind)
        # Each kind in a place of its own, since Ollama embeds queries and documents alike.
        calls, wrapped = hs.watch(inner), embedonce.wrap(inner, place / kind)
        answers = []
        for _ in range(2):
            for options in ({"temperature": 0.5}, {"temperature": 1.0}, None):
                answer = wrapped.run(**given, generation_kwargs=options)
                answers.append(hs.vectors_of(answer)[0] if kind == "Document" else answer["embedding"])
        role = "document" if kind == "Document" else "query"
        expected = [
            hs.vector(role, "a", {"generation_kwargs": options})
            for options in ({"temperature": 0.5}, {"temperature": 1.0}, None)
        ]
        assert answers == expected * 2
        assert len(calls) == 3


class Batch:
    """Answers with vectors that depend on what else is in the call."""

    def __init__(self):
        self.calls = []

    def run(self, **inputs):
        self.calls.append([document.content for document in inputs["documents"]])
        answered = [replace(each, embedding=hs.vector(*self.calls[-1], each.content)) for each in inputs["documents"]]
        return {"documents": answered}


@pytest.mark.parametrize(
    ("package", "name", "options"),
    [
        ("jina", "JinaDocumentEmbedder", {"late_chunking": True, **TOKEN}),
        ("voyage_embedders", "VoyageContextualizedDocumentEmbedder", TOKEN),
    ],
)
def test_row_16_vectors_that_depend_on_their_neighbours(place, package, name, options):
    inner = getattr(pytest.importorskip(f"{INTEGRATIONS}.{package}"), name)(**real(options))
    batch = Batch()
    inner.run, inner.warm_up = batch.run, lambda: None
    wrapped = embedonce.wrap(inner, place)
    for texts in ("ab", "ac", "ab"):
        assert hs.vectors_of(wrapped.run(hs.documents(*texts))) == hs.vectors_of(
            Batch().run(documents=hs.documents(*texts))
        )
    assert batch.calls == [["a", "b"], ["a", "c"], ["a", "b"]]


# -- B, C. Keys and alignment --------------------------------------------------------------------------------------


@over(make=MAKERS)
def test_row_24_what_changes_between_releases(place, make, monkeypatch):
    inner = make()
    calls = hs.watch(inner)
    wrapped = embedonce.wrap(inner, place)
    wrapped.run(hs.documents("a"))
    # The ids of documents,
    assert hs.vectors_of(wrapped.run([hs.Document(content="a", id="2.x", meta={"x": 1})])) == right(
        make, hs.documents("a")
    )
    # a parameter that is new and does nothing yet,
    newer = make()
    newer.brand_new = None
    assert embedonce.wrap(newer, place).namespace == wrapped.namespace
    # and the module that a class is defined in.
    kind = type(inner)
    package = ".".join(kind.__module__.split(".")[: 4 if kind.__module__.startswith("haystack_integrations") else 1])
    monkeypatch.setattr(kind, "__module__", f"{package}.elsewhere.module")
    assert embedonce.wrap(make(), place).namespace == wrapped.namespace
    assert len(calls) == 1


@over(make=MAKERS)
def test_row_34_documents_of_one_id(place, make):
    given = [hs.Document(content=text, id="same", embedding=[9.0]) for text in "abca"]
    expected = right(make, given)
    for _ in range(2):
        answer = embedonce.wrap(make(), place).run(given)["documents"]
        assert [document.embedding for document in answer] == expected
        assert [(document.id, document.content) for document in answer] == [("same", text) for text in "abca"]
    alone = make()
    if isinstance(alone, hs.OpenAIDocumentEmbedder):
        theirs(hs.vectors_of(alone.run(documents=given)) == [expected[3]] * 4)


def test_row_34_at_the_service(place):
    service, given = hs.Service(), [hs.Document(content=text, id="same") for text in "ab"]
    with hs.serving(service) as url:
        inner = hs.OpenAIDocumentEmbedder(api_base_url=url, progress_bar=False, **real(TOKEN))
        answer = hs.vectors_of(embedonce.wrap(inner, place).run(given))
        alone = hs.vectors_of(inner.run(documents=given))
    right_ones = [service.vector(inner.model, text, None).tolist() for text in "ab"]
    assert answer == right_ones
    theirs(alone == [right_ones[1]] * 2)


@pytest.mark.parametrize("is_async", [False, True])
async def test_row_35_stale_vectors_and_failures(place, is_async):
    service, failing = hs.Service(), {"bad"}

    def respond(request):
        body = json.loads(request.content)
        if failing.intersection(body["input"]):
            return httpx.Response(400, json={"error": {"message": "bad input"}})
        return httpx.Response(200, json=service.answer(body))

    async def run(embedder):
        given = hs.documents("a", "bad", "c", embedding=[9.0])
        answer = await embedder.run_async(documents=given) if is_async else embedder.run(documents=given)
        return hs.vectors_of(answer)

    options = {"http_client_kwargs": {"transport": httpx.MockTransport(respond)}, "batch_size": 1, "max_retries": 0}
    inner = hs.OpenAIDocumentEmbedder(progress_bar=False, raise_on_failure=False, **options, **real(TOKEN))
    wrapped = embedonce.wrap(inner, place)
    a, bad, c = [service.vector(inner.model, text, None).tolist() for text in ("a", "bad", "c")]
    assert await run(wrapped) == await run(wrapped) == [a, None, c]
    theirs(await run(inner) == [a, [9.0], c])
    service.requests.clear()
    failing.clear()
    assert await run(wrapped) == await run(wrapped) == [a, bad, c]
    assert service.texts == ["bad"]


# -- D. Values -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("numbers", [[1, -128, 127], [0.1, 1e-300, -2.5], [1.0, 0.5, 3.0], (0.25, 1.0)], ids=repr)
def test_row_39_numbers_of_a_hit_and_a_miss(place, numbers):
    """Integers come from components that are asked for quantised vectors."""
    inner = standing_in(hs.OpenAIDocumentEmbedder(**real(TOKEN)))
    inner.run = lambda documents: {"documents": [replace(each, embedding=numbers) for each in documents]}
    answers = [hs.vectors_of(embedonce.wrap(inner, place, mode=mode).run(hs.documents("a"))) for mode in MODES]
    assert answers == [[list(numbers)]] * 3
    assert len({repr(answer) for answer in answers}) == 1


MODES = ("read_write", "replay", "off")


# -- E. Paying twice -----------------------------------------------------------------------------------------------


def test_row_49_duplicates(place):
    service = hs.Service()
    given = [hs.Document(content=text, id=f"{number}") for number, text in enumerate("aab")]
    with hs.serving(service) as url:
        inner = hs.OpenAIDocumentEmbedder(api_base_url=url, progress_bar=False, **real(TOKEN))
        answer = hs.vectors_of(embedonce.wrap(inner, place).run(given))
        paid = list(service.texts)
        assert answer == hs.vectors_of(inner.run(documents=given))
    assert paid == ["a", "b"]
    theirs(service.texts[2:] == ["a", "a", "b"])


def test_row_50_calls_at_once(place):
    for is_cached in (True, False):
        inner = hs.Crowd()
        embedder = embedonce.wrap(inner, place) if is_cached else inner
        with ThreadPoolExecutor(6) as pool:
            calls = [pool.submit(embedder.run, text="q") for _ in range(6)]
            assert inner._entered.wait(hs.LIMIT)
            inner._may_end.set()
            assert [each.result(hs.LIMIT)["embedding"] for each in calls] == [hs.vector("q")] * 6
        assert len(inner._calls) == (1 if is_cached else 6)


def test_row_52_usage_is_not_replayed(place):
    wrapped = embedonce.wrap(hs.Rich(), place)
    spent = [wrapped.run(hs.documents("a", "b", "b"))["meta"]["usage"] for _ in range(3)]
    assert spent == [hs.usage(2), hs.usage(0), hs.usage(0)]


# -- F. Lost work and data -----------------------------------------------------------------------------------------


def test_row_63_reading_the_identity_changes_nothing(place):
    inner = hs.Rewriting(model_kwargs={"torch_dtype": "float16"})
    wrapped = embedonce.wrap(inner, place)
    names = {wrapped.namespace}
    for text in "abab":
        wrapped.run(hs.documents(text))
        names.add(wrapped.namespace)
    assert inner.seen == [{"torch_dtype": "float16"}] * 2
    assert inner.model_kwargs == {"torch_dtype": "float16"}
    assert len(names) == 1
    theirs(inner.to_dict() and inner.model_kwargs != {"torch_dtype": "float16"})
